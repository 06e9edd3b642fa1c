"""Reading a history file: one JSON record a line, in any order (`writing` says who writes it).

The reader bears a file whose end is torn by a crash.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from kanae.drills.judging import thresholds
from kanae.drills.records import (
    FORMAT,
    Change,
    Clock,
    Evidence,
    FaultEvent,
    Hashes,
    Header,
    Heal,
    Health,
    History,
    Lag,
    Late,
    Leader,
    Machine,
    Note,
    Phase,
    Proof,
    ReadBack,
    Record,
    Request,
    Restored,
    WatchEvent,
    WatchState,
)
from kanae.errors import UsageError

R = TypeVar("R", bound=Record)
# Of one stream; a workload has a few.
_MOST_LANES = 10_000
ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="k")])


def compress(path: Path) -> Path:
    """Replace a finished history by its gzip form beside it and return that path."""
    packed = path.with_name(path.name + ".gz")
    draft = path.with_name(path.name + ".gz.part")
    with path.open("rb") as source, gzip.open(draft, "wb", compresslevel=6) as target:
        while block := source.read(1 << 20):
            target.write(block)
    draft.chmod(0o600)
    draft.replace(packed)
    path.unlink()
    return packed


def _bytes(path: Path) -> tuple[bytes, bool]:
    """All that can be read of a file, and whether its compressed form was cut short."""
    if path.suffix != ".gz":
        return path.read_bytes(), False
    content = bytearray()
    try:
        with gzip.open(path, "rb") as file:
            while block := file.read(1 << 16):
                content += block
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return bytes(content), True
    return bytes(content), False


def _of(records: Iterable[Record], kind: type[R]) -> tuple[R, ...]:
    return tuple(
        sorted((record for record in records if isinstance(record, kind)), key=lambda r: _at(r))
    )


def _at(record: Record) -> float:
    return record.zero if isinstance(record, Header) else record.at


def assemble(records: Iterable[Record], *, torn: bool = False, broken: int = 0) -> History:
    """Records in any order to a history. Raises UsageError when there is no header, or one by which
    nothing could be judged."""
    found = list(records)
    header = next((record for record in found if isinstance(record, Header)), None)
    if header is None:
        raise UsageError("no drill history: its header is missing")
    if header.format != FORMAT:
        raise UsageError(
            f"a drill history of format {header.format}; this kanae reads format {FORMAT}"
        )
    lacking = [name for name in thresholds.RECORDED if name not in header.validity]
    sound = all(each.period > 0 and 0 < each.lanes <= _MOST_LANES for each in header.streams)
    if lacking or not sound:
        raise UsageError("a damaged drill history: its header lacks what runs are judged by")
    return History(
        header=header,
        phases=_of(found, Phase),
        requests=_of(found, Request),
        late=_of(found, Late),
        # A watch's own order of arrival is what the checker judges: not sorted.
        watch=tuple(record for record in found if isinstance(record, WatchEvent)),
        watch_states=_of(found, WatchState),
        faults=_of(found, FaultEvent),
        changes=_of(found, Change),
        evidence=_of(found, Evidence),
        health=_of(found, Health),
        leaders=_of(found, Leader),
        hashes=_of(found, Hashes),
        heals=_of(found, Heal),
        restored=_of(found, Restored),
        proofs=_of(found, Proof),
        read_backs=_of(found, ReadBack),
        lags=_of(found, Lag),
        notes=_of(found, Note),
        machine=_of(found, Machine),
        clocks=_of(found, Clock),
        torn=torn,
        broken=broken,
    )


def read(path: Path) -> History:
    """A history file, plain or gzip. Raises UsageError when it is none."""
    try:
        content, torn = _bytes(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    torn = torn or not content.endswith(b"\n")
    records: list[Record] = []
    bad: list[int] = []
    lines = [line for line in content.split(b"\n") if line.strip()]
    for number, line in enumerate(lines):
        try:
            records.append(ADAPTER.validate_json(line))
        except ValidationError:
            bad.append(number)
    if torn and bad and bad[-1] == len(lines) - 1:
        bad.pop()
    try:
        return assemble(records, torn=torn, broken=len(bad))
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}") from None
