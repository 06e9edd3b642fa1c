"""What writers and watchers were promised, and whether it was kept. Pure.

A request that had been given up may still be carried out: after a partition, TCP brings the bytes
to an API server half a minute late. A write that was acknowledged only after the last write of the
run is therefore *belated*: whoever listed or watched an older state need not have it. Without the
dates, by revisions alone, a member that lost its newest state would be excused in the same way.

Where the cluster was restored meanwhile, writes acknowledged beyond the revision that it was taken
back to are *undone*: nobody need have them any more, and they are counted apart. All others bind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kanae.drills.judging.verdict import WatchFigures, Writes
from kanae.drills.records import BEAT, History, ReadBack, Stream

# The proof that the last write of the run succeeded: it comes before the read-backs.
_FINAL = "final-write"


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    """at: when the 201 came. revision: the resourceVersion with it, 0 when there was none.

    belated: it came after the last write of the run. undone: by a restore.
    """

    at: float
    revision: int
    belated: bool
    undone: bool = False

    def binds(self, revision: int) -> bool:
        """Whether a state of a revision must have the object."""
        return not self.undone and (not self.belated or self.revision <= revision)


def acknowledged(history: History) -> dict[str, _Acknowledgement]:
    """By key: writes that were answered with 201, also after their deadline."""
    written = (proof.at for proof in history.proofs if proof.name == _FINAL and proof.ok)
    last = next(written, math.inf)
    answers = [(r.key, r.end, r.revision) for r in history.requests if r.key and r.ok]
    answers += [(r.key, r.end, r.revision) for r in history.late if r.key and r.status == 201]
    return {
        key: _Acknowledgement(
            at,
            revision,
            belated=at > last and revision > 0,
            undone=any(restored.undoes(revision) for restored in history.restored),
        )
        for key, at, revision in answers
    }


def writes(history: History) -> Writes:
    """Acknowledged, unknown and lost writes, by the complete read-backs."""
    given = acknowledged(history)
    unknown = {r.key for r in history.requests if r.key} - set(given)
    backs = [(back, frozenset(back.keys)) for back in history.read_backs if not back.error]
    anywhere = frozenset[str]().union(*(keys for _, keys in backs))
    lost = {
        key
        for key, ack in given.items()
        if key not in anywhere and any(ack.binds(back.revision) for back, _ in backs)
    }
    undone = {key for key, ack in given.items() if ack.undone and key not in anywhere}
    return Writes(
        acknowledged=len(given),
        unknown=len(unknown),
        unknown_kept=len(unknown & anywhere),
        lost=tuple(sorted(lost)),
        differing=tuple(sorted(_differing(given, anywhere, backs))),
        undone=tuple(sorted(undone, key=lambda key: given[key].at)),
        undone_seconds=_span(given, undone),
    )


def _span(given: dict[str, _Acknowledgement], undone: set[str]) -> float:
    """Seconds from the last acknowledgement that a restore has kept to the last that it has not."""
    if not undone:
        return 0.0
    last = max(given[key].at for key in undone)
    first = min(given[key].at for key in undone)
    kept = (ack.at for ack in given.values() if not ack.undone and ack.at <= last)
    return last - max(kept, default=first)


def _differing(
    given: dict[str, _Acknowledgement],
    anywhere: frozenset[str],
    backs: Sequence[tuple[ReadBack, frozenset[str]]],
) -> set[str]:
    """Keys that a read-back lacks though it must have them: they were acknowledged, or one that is
    no newer lists them, and nothing is ever deleted.
    """
    found: set[str] = set()
    for back, keys in backs:
        older = [listed for other, listed in backs if other.revision <= back.revision]
        found |= frozenset[str]().union(*older) - keys
        found |= {k for k in anywhere - keys if k in given and given[k].binds(back.revision)}
    return found


def watch(history: History, stream: Stream, fault: float, until: float) -> WatchFigures:
    """What one watch was sent, in its order of arrival. fault, until: when it struck, and was
    undone.
    """
    disorder: list[str] = []
    seen: dict[str, tuple[float, int]] = {}
    last, last_key, events = 0, "", 0
    for event in history.watch:
        if event.stream != stream.id:
            continue
        if event.type == "LISTED":
            seen.setdefault(event.key, (event.at, event.revision))
            continue  # a list has no order
        if event.type == "BOOKMARK":
            # A bookmark may repeat the revision of the event before it.
            if event.revision < last:
                disorder.append(f"bookmark {event.revision} after {last} ({last_key})")
        else:
            events += 1
            if event.revision <= last:
                disorder.append(f"{event.key} at {event.revision} after {last_key} at {last}")
            if event.type == "ADDED":
                seen.setdefault(event.key, (event.at, event.revision))
        if event.revision > last:
            last, last_key = event.revision, event.key or "a bookmark"

    def due(ack: _Acknowledgement) -> bool:
        """Of a workload that was cut short, only what later events have overtaken."""
        return ack.binds(last) and (bool(history.read_backs) or 0 < ack.revision < last)

    given = acknowledged(history)
    if stream.connection == "serial":
        given = {key: ack for key, ack in given.items() if key.startswith(BEAT)}
    both = given.keys() & seen.keys()
    states = [state.state for state in history.watch_states if state.stream == stream.id]
    return WatchFigures(
        route=stream.route,
        connection=stream.connection,
        events=events,
        reopened=max(0, states.count("open") - 1),
        expired=states.count("expired"),
        disorder=tuple(disorder),
        missed=tuple(sorted(key for key in given.keys() - seen.keys() if due(given[key]))),
        wrong_revision=tuple(
            sorted(k for k in both if given[k].revision and given[k].revision != seen[k][1])
        ),
        delay=max((seen[key][0] - given[key].at for key in both), default=0.0),
        longest_wait=max(
            (
                seen[key][0] - given[key].at
                for key in both
                if seen[key][0] > fault and given[key].at < until
            ),
            default=0.0,
        ),
    )
