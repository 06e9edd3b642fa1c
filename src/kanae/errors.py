"""The error tree. Every error that a user can meet is one of these, and each has an exit code.

    KanaeError                      1   anything below; never raised itself
    ├── UsageError                  2   the command line asks for something that cannot be
    ├── SpecError                   3   the spec file is wrong (all problems at once)
    ├── CheckFailed                 4   a check found what must be put right first
    ├── Refused                     5   safe to do only with a condition that does not hold
    ├── LeaseHeld                   6   another operator works on this cluster
    ├── ArtifactError               7   a binary or image cannot be had or does not verify
    │   └── ArtifactMismatch        7   ... its digest is not the promised one
    ├── MachineUnfit                8   this machine lacks a program, a right or a kernel feature
    ├── BackupError                 9   a backup cannot be made or used
    │   ├── NoBackup                9   ... the file is not there, or is no backup of kanae
    │   ├── BackupBroken            9   ... it is damaged, cut short or cannot be read
    │   └── BackupLocked            9   ... it is encrypted and no key given opens it
    ├── ConnectError               10   a host cannot be reached at all
    │   ├── AuthenticationFailed   11   ... it refuses the key or user
    │   ├── HostKeyRefused              ... its host key is not trusted; never raised itself
    │   │   ├── HostKeyUnknown     12   ... ... because it is in no known_hosts
    │   │   └── HostKeyChanged     13   ... ... because it is not the known one
    │   └── SudoRefused            14   ... sudo wants a password that was not given
    ├── ConnectionLost             15   a connection broke; the outcome is indeterminate
    ├── FactsError                 16   what a host answered cannot be understood
    ├── StepFailed                 20   a command on a host failed
    │   ├── DiskFull               17   ... because a file system of the host is full
    │   └── ReadOnlyFileSystem     18   ... because a file system of the host is read-only
    ├── StepTimedOut               21   a command or condition did not end in time
    ├── RunFailed                  22   an apply ended with failed steps (each is named); the
    │                                   code of their kind when all are of one kind
    ├── LabError                   30   the lab cannot do what was asked
    ├── DrillFailed                40   a drill gave a verdict other than passed
    └── Unexpected                 70   kanae itself has failed; a log holds the particulars

130 is Ctrl-C. A dry run with `--exit-code` ends with 2 when there are changes, as `diff` users
know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kanae.shown import shown


class KanaeError(Exception):
    """Base of all errors shown to a user.

    message: one paragraph, says what happened and where; fit to be shown, whatever a host said.
    remedy: what to do next, or "" when there is nothing to say beyond the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(shown(message))
        self.message = shown(message)
        self.remedy = shown(remedy)

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class UsageError(KanaeError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing wrong with a spec: `line` and `column` count from 1, 0 when unknown."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        at = f"{self.path}: " if self.path else ""
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: {at}{self.message}"


class SpecError(KanaeError):
    exit_code = 3

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class CheckFailed(KanaeError):
    exit_code = 4


class Refused(KanaeError):
    exit_code = 5


class LeaseHeld(KanaeError):
    exit_code = 6


class ArtifactError(KanaeError):
    exit_code = 7


class ArtifactMismatch(ArtifactError):
    pass


class MachineUnfit(KanaeError):
    exit_code = 8


class BackupError(KanaeError):
    exit_code = 9


class NoBackup(BackupError):
    pass


class BackupBroken(BackupError):
    pass


class BackupLocked(BackupError):
    pass


class HostError(KanaeError):
    """An error of one host. host: its name in the spec. what: the message without it. where: how
    the host was reached, when that is of no matter for the cause. cause: `what` without it.
    """

    def __init__(self, host: str, message: str, *, remedy: str = "", where: str = "") -> None:
        self.cause = shown(message)
        self.what = f"{shown(where)}: {self.cause}" if where else self.cause
        super().__init__(f"{host}: {self.what}", remedy=remedy)
        self.host = host


class ConnectError(HostError):
    exit_code = 10

    def behind(self, host: str) -> Self:
        """Said for a host that cannot be reached because of this one; of the same kind, since that
        tells the cause."""
        return type(self)(host, self.message, remedy=self.remedy)


class AuthenticationFailed(ConnectError):
    exit_code = 11


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A host key that a host has shown and that is not trusted.

    host: its name in the spec, or `jump host NAME`. where: user, address and port. name: of the
    host in known_hosts, with its port where that is not 22. public: as known_hosts has it,
    `ssh-ed25519 AAAA...`. algorithm: `ssh-ed25519`. fingerprint: as ssh shows it, `SHA256:...`.
    known: the keys that are trusted for the host, each with its fingerprint, file and line.
    """

    host: str
    where: str
    name: str
    public: str
    fingerprint: str
    known: tuple[str, ...] = ()

    @property
    def algorithm(self) -> str:
        return self.public.split()[0]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.fingerprint}"


class HostKeyRefused(ConnectError):
    """offered: None when the host has shown no plain key, or one that is revoked."""

    offered: OfferedKey | None = None

    def showing(self, offered: OfferedKey | None) -> Self:
        self.offered = offered
        return self

    def behind(self, host: str) -> Self:
        return super().behind(host).showing(self.offered)


class HostKeyUnknown(HostKeyRefused):
    exit_code = 12


class HostKeyChanged(HostKeyRefused):
    exit_code = 13


class SudoRefused(ConnectError):
    exit_code = 14


class ConnectionLost(HostError):
    """The connection broke while a command ran: whether it took effect is not known."""

    exit_code = 15


class FactsError(HostError):
    """A host's answer is cut short or not what the script prints."""

    exit_code = 16


class ApiUnavailable(KanaeError):
    """A cluster is there, and none of its API servers answers."""

    exit_code = 19


class StepFailed(HostError):
    """A command ended with a non-zero status.

    command: what was run, short, without secrets; stderr: its end (at most 20 lines).
    """

    exit_code = 20

    def __init__(
        self, host: str, command: str, status: int, stderr: str, *, step: str = "", remedy: str = ""
    ) -> None:
        end = shown("\n".join(stderr.rstrip().splitlines()[-20:]))
        where = f"step {step}: " if step else ""
        detail = "".join(f"\n    {line}" for line in end.splitlines())
        super().__init__(
            host, f"{where}{command!r} ended with status {status}{detail}", remedy=remedy
        )
        self.step = step
        self.command = command
        self.status = status
        self.stderr = end


class DiskFull(StepFailed):
    exit_code = 17


class ReadOnlyFileSystem(StepFailed):
    exit_code = 18


# What programs print for ENOSPC, EDQUOT, EROFS and lack of rights, with LC_ALL=C.
_TELLING: tuple[tuple[str, type[StepFailed], str], ...] = (
    (
        "No space left on device",
        DiskFull,
        "the file system is full: free space there, then run it again",
    ),
    ("Disk quota exceeded", DiskFull, "a disk quota is exceeded: raise it or free space"),
    (
        "Read-only file system",
        ReadOnlyFileSystem,
        "the file system is mounted read-only (a disk error? see dmesg), or the path is on an "
        "image-based system: remount it or choose another path",
    ),
    (
        "invalid user",
        StepFailed,
        "the owner does not exist on the host: the package or user that brings it is missing",
    ),
    (
        "Operation not permitted",
        StepFailed,
        "not root there, or the file is immutable (lsattr)",
    ),
    ("Permission denied", StepFailed, "not root there: see `ssh.user` and `ssh.sudo` in the spec"),
)


def step_failed(
    host: str, command: str, status: int, stderr: str, *, remedy: str = ""
) -> StepFailed:
    """StepFailed, or the kind of it that the end of stderr tells."""
    for words, kind, mend in _TELLING:
        if words in stderr:
            return kind(host, command, status, stderr, remedy=remedy or mend)
    return StepFailed(host, command, status, stderr, remedy=remedy)


class StepTimedOut(HostError):
    exit_code = 21


class RunFailed(KanaeError):
    """log: the file with the run's journal, where there is one."""

    exit_code = 22
    log: Path | None = None


class LabError(KanaeError):
    exit_code = 30


class DrillFailed(KanaeError):
    exit_code = 40


class Unexpected(KanaeError):
    exit_code = 70
