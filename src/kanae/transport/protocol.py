"""What every way of reaching a host can do. Fakes and simulators implement the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kanae.errors import FactsError, StepTimedOut, step_failed


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end. status: its exit status, never unknown."""

    status: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to write on a host: atomically, with its mode and owner set before it appears.

    source: the bytes, or a local file. path: absolute, its folder is made when missing. owner: ""
    for the account that writes it, where that is not root.
    """

    path: str
    source: bytes | Path
    mode: int = 0o644
    owner: str = "root:root"


class Transport(Protocol):
    """One host, reached as root. All times in seconds.

    Errors: ConnectError and its kinds when the host cannot be reached; ConnectionLost when the
    connection breaks while something runs (its outcome is then indeterminate); StepTimedOut when
    it does not end in time (the remote process has then been ended).
    """

    @property
    def host(self) -> str:
        """Name in the spec."""
        ...

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a POSIX sh script. Secrets go through stdin, never into the script (argv)."""
        ...

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        """Write files; all of them in as few round trips as possible."""
        ...

    async def close(self) -> None: ...


async def must(
    transport: Transport,
    script: str,
    *,
    command: str,
    stdin: bytes = b"",
    timeout: float = 60.0,
    remedy: str = "",
) -> bytes:
    """Run a script that has to end with status 0 and return its output, else StepFailed.

    command: what errors show instead of the whole script, that of one that is late included.
    """
    try:
        done = await transport.run(script, stdin=stdin, timeout=timeout)
    except StepTimedOut as error:
        raise StepTimedOut(
            transport.host,
            f"{command!r} did not end within {timeout:.0f} s and was ended",
            remedy=remedy or error.remedy,
        ) from error
    if done.status != 0:
        raise step_failed(transport.host, command, done.status, done.stderr, remedy=remedy)
    return done.stdout


async def must_text(transport: Transport, script: str, *, command: str) -> str:
    """As `must`, for what is text. Raises FactsError when it is not."""
    try:
        return (await must(transport, script, command=command)).decode()
    except UnicodeDecodeError:
        raise FactsError(
            transport.host,
            f"what {command!r} prints is no text (not UTF-8)",
            remedy="see what has become of the file; where it is whole, what the SSH login shell "
            "prints",
        ) from None
