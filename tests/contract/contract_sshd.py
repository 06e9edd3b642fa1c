"""A real sshd on 127.0.0.1, with keys and a configuration of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kanae.spec.models import Sudo
from kanae.transport.connect import Jumps
from kanae.transport.settings import Reach
from kanae.transport.ssh import SshTransport

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@dataclass(frozen=True, slots=True)
class Sshd:
    """folder: holds `id` (a key that is let in), `other` (one that is not), `known_hosts`."""

    folder: Path
    port: int
    pid: int

    @property
    def reach(self) -> Reach:
        return Reach(
            host="m1",
            address="127.0.0.1",
            alias="127.0.0.1",
            user="root",
            port=self.port,
            key=self.folder / "id",
            known_hosts=self.folder / "known_hosts",
            sudo=Sudo.NONE,
        )

    def transport(self, *, run_id: str = "run", **changes: object) -> SshTransport:
        reach = replace(self.reach, **changes)  # pyright: ignore[reportArgumentType]  # by name
        return SshTransport(reach, jumps=Jumps(), run_id=run_id)

    async def raw(self, command: str, data: bytes) -> bytes:
        """Standard output of a command line, by the system's own ssh client."""
        process = await asyncio.create_subprocess_exec(
            "ssh", "-F", "none", "-p", str(self.port), "-i", str(self.folder / "id"),
            "-o", f"UserKnownHostsFile={self.folder}/known_hosts", "root@127.0.0.1", command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return (await process.communicate(data))[0]

    def children(self) -> list[int]:
        """Pids of the sshd processes that serve connections."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def cut(self, number: int = signal.SIGKILL) -> None:
        """End (or stop) every connection, as seen from the client."""
        for child in self.children():
            grandchildren = Path(f"/proc/{child}/task/{child}/children").read_text().split()
            os.kill(child, number)
            for pid in grandchildren:
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(int(pid), number)


def key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "kanae-test", "-f", str(path)],
        check=True,
    )


def fingerprint(path: Path) -> str:
    """As the system's own ssh-keygen shows it."""
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    options: str = "",
    accounts: Mapping[str, str] | None = None,
    mounts: Mapping[str, Path] | None = None,
) -> Generator[Sshd]:
    """Start sshd and end it with all its connections. options: more lines of sshd_config.

    accounts: by file of /etc, such as passwd, the line of a user as only it sees it. mounts: other
    folders in the place of the machine's own, as only it sees them.
    """
    assert SSHD is not None
    for name in ("host_key", "id", "other"):
        key(folder / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    public = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "authorized_keys").write_text((folder / "id.pub").read_text())
    (folder / "sshd_config").write_text(
        f"{options}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        f"PidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp\nMaxStartups 100\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            *_seeing(folder, accounts or {}, mounts or {}),
            SSHD,
            "-D",
            "-e",
            "-f",
            str(folder / "sshd_config"),
        ],
        stderr=log,
        stdout=log,
    )
    sshd = Sshd(folder, port, process.pid)
    try:
        _await_port(port, process)
        yield sshd
    finally:
        for pid in sshd.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.terminate()
        process.wait(10)
        log.close()


def _seeing(folder: Path, accounts: Mapping[str, str], folders: Mapping[str, Path]) -> list[str]:
    """Words before a program that give it files of its own, in a mount namespace."""
    if not accounts and not folders:
        return []
    mounts = [f"mount --bind {own} {place}" for place, own in folders.items()]
    for name, line in accounts.items():
        user = line.partition(":")[0]
        others = Path("/etc", name).read_text().splitlines()
        lines = [line, *(each for each in others if each.partition(":")[0] != user)]
        (folder / name).write_text("\n".join(lines) + "\n")
        mounts.append(f"mount --bind {folder / name} /etc/{name}")
    return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.poll() is None, "sshd ended at once"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError("sshd does not listen")
