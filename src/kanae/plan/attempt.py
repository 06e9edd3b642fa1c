"""One attempt to restore a cluster: from which snapshot, and how far etcd's revision is raised.

It is named on every host that it has touched, so that whoever goes on with it does the same, and so
that a later one raises the revision further.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from kanae.layout import marks
from kanae.plan.saved import Saved
from kanae.plan.view import View

# What clients remember of the lost revisions must not come again: every revision is raised by whole
# thousand millions beyond all that was seen. etcd's own guide advises as much for a snapshot of a
# week ago at 1,500 writes a second (etcd.io/docs/latest/op-guide/recovery); revisions are of 63
# bits, which 9,000 million such steps would use up.
STEP: Final = 1_000_000_000
_DIGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """snapshot: its sha256, hex. revision: etcd's in the snapshot. bump: by how much it is raised.
    taken: when the snapshot was, as text."""

    snapshot: str
    revision: int
    bump: int
    taken: str

    @property
    def id(self) -> str:
        """Of letters, digits and a hyphen. Another attempt has another one, since it raises the
        revision further."""
        return f"{self.snapshot[:16]}-{self.bump // STEP}"

    @property
    def reached(self) -> int:
        """etcd's revision when it is restored."""
        return self.revision + self.bump

    def record(self) -> str:
        """What the mark on a host says."""
        return json.dumps(asdict(self), sort_keys=True)


def aside(data: str, attempt: str) -> str:
    """Where the data lies that an attempt has replaced. data: etcd's folder, of whose file system
    this is."""
    return f"{data}/kanae-before-{attempt}"


def beside(data: str, attempt: str) -> str:
    """Where the restored data is made ready."""
    return f"{data}/kanae-restored-{attempt}"


def seal(folder: str) -> str:
    """A file in a member's folder that says by which attempt it was restored: it moves with the
    data, so that no mark can say something else. folder: the one above it."""
    return f"{folder}/member/kanae-attempt"


def begun(view: View) -> Attempt | None:
    """The one that was begun and has not ended; where there are several, the last of them."""
    return max(_told(view, marks.RESTORING), key=_reached, default=None)


def undecided(view: View) -> tuple[str, ...]:
    """Hosts on which a restore was begun and has not ended, whether or not the mark can be read."""
    return tuple(host for host, facts in view.facts.hosts.items() if marks.RESTORING in facts.marks)


def chosen(view: View, saved: Saved) -> Attempt:
    """The attempt that was begun with this snapshot, or a new one whose revision is far above all
    that a client of the cluster can have seen: live ones, and those of earlier attempts."""
    going = begun(view)
    if going is not None and going.snapshot == saved.sha256:
        return going
    seen = [facts.etcd.revision for facts in view.facts.hosts.values() if facts.etcd is not None]
    earlier = [*_told(view, marks.RESTORING), *_told(view, marks.RESTORED)]
    highest = max([saved.revision, *seen, *map(_reached, earlier)])
    steps = 1 + -(-(highest - saved.revision) // STEP)
    return Attempt(saved.sha256, saved.revision, steps * STEP, saved.taken)


def _reached(attempt: Attempt) -> int:
    return attempt.reached


def _told(view: View, mark: str) -> Iterator[Attempt]:
    """Of marks that make sense: the file is ours, but a disk may have lost a part of it."""
    for facts in view.facts.hosts.values():
        try:
            told: object = json.loads(facts.marks.get(mark) or "null")
        except (ValueError, RecursionError):
            continue
        match cast("Any", told):
            case {"snapshot": str(sha), "revision": int(at), "bump": int(bump), "taken": str(when)}:
                if len(sha) == _DIGEST and sha.isalnum() and at > 0 and bump > 0:
                    yield Attempt(sha, at, bump, when)
            case _:
                continue
