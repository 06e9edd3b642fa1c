"""The recovery record: what a run is about to do to the cluster, written before it does it.

`kanae drill recover` undoes from it whatever a killed orchestrator left behind.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kanae.drills.faults.protocol import FaultPlan
from kanae.drills.running.run_folder import drills_dir
from kanae.errors import UsageError

RECORD = "recovery.json"


@dataclass(frozen=True, slots=True)
class RecoveryRecord:
    """namespaces: made by the run, to be deleted. pid, started: of the orchestrator; started is
    its start time as in /proc/PID/stat, so that another process with its pid is told apart.
    prober: the host that the prober runs on, "" for this machine.
    """

    run: str
    drill: str
    cluster: str
    plan: FaultPlan
    namespaces: tuple[str, ...]
    pid: int
    started: str
    prober: str = ""


_ADAPTER: TypeAdapter[RecoveryRecord] = TypeAdapter(RecoveryRecord)


def process_start(pid: int) -> str:
    """Field 22 of /proc/PID/stat; "" when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def write(folder: Path, record: RecoveryRecord) -> None:
    """Durable before it returns: what follows may be the end of this machine's power too."""
    draft = folder / f"{RECORD}.part"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, _ADAPTER.dump_json(record, indent=2))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(folder / RECORD)
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def settle(folder: Path) -> None:
    """Everything has been put back."""
    (folder / RECORD).unlink(missing_ok=True)


def kept(folder: Path) -> bool:
    """Whether there still is something to put back."""
    return (folder / RECORD).exists()


def read(folder: Path) -> RecoveryRecord:
    path = folder / RECORD
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path}: no recovery record: {error}") from None


def running(record: RecoveryRecord) -> bool:
    """Whether the orchestrator that wrote it still lives."""
    return bool(record.started) and process_start(record.pid) == record.started


def unsettled(cluster: str) -> tuple[Path, ...]:
    """Folders of runs that have left something to put back, oldest first."""
    return tuple(sorted(path.parent for path in drills_dir(cluster).glob(f"*/{RECORD}")))
