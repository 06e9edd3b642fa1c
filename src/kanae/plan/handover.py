"""A balancer that gives a virtual address up hands its clients over: see `render/handover.py`."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from kanae.facts.model import HostFacts
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import answering
from kanae.plan.actions import AwaitHandOver, Converge
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.render import handover
from kanae.render.handover import Moving
from kanae.resources.file import Absent, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Spec

STAGE = "hand-over"
# Beside the time that clients have: for the step to begin in, and to tell what is left.
_SPARE = 60


def none(cluster: str) -> tuple[Resource, ...]:
    """What a run that was cut off may have left on any balancer."""
    return (*_no_longer_kept(cluster), *_no_longer_passed(cluster))


def under_way(cluster: str, facts: HostFacts) -> bool:
    """Whether a host has given its virtual addresses up and still serves its clients."""
    return _runs(facts, units.hand_over(cluster))


def give_up(
    draft: Draft,
    build: HostBuilder,
    others: Sequence[HostBuilder],
    gone: Sequence[Resource],
    needs: Sequence[str | None],
) -> str | None:
    """Steps by which a host gives to the others what virtual addresses it has; None where there is
    nothing to be done. others: those that may have one meanwhile. gone: what goes with them,
    keepalived and its files.

    An address that goes away altogether is given up with its clients, whom nobody could take. One
    that was cut off is gone on with: what runs is left as it is until it has ended, and what tells
    of the addresses goes last.
    """
    view, host = draft.view, build.host
    cluster = view.spec.name
    moving = _held(cluster, build.facts, {each.address for each in view.spec.virtual_addresses})
    bound = sorted(answering.bound(cluster, build.facts))
    takers = _takers(cluster, others, moving) if bound and _serves(build, cluster) else []

    def finish(after: Sequence[str | None]) -> str | None:
        return build.converge("virtual-address", "give the virtual address up", gone, after)

    if not takers:
        return finish(needs)
    own, most = view.former.spec.hosts[host].address, _most(view.spec)
    passing = [
        draft.builder.add(
            other.host,
            STAGE,
            f"pass-on-{host}",
            f"pass on to {host} what belongs to its connections",
            _pass_on(cluster, other, handover.pass_script(cluster, own, there, bound, most)),
            needs=needs,
            changes=[Change(Verb.CREATE, "unit", units.pass_on(cluster), "for a while")],
        )
        for other, there in takers
    ]
    unit = units.hand_over(cluster)
    files = (
        File(at.hand_over_script(cluster), handover.keep_script(cluster, own, moving)),
        File(at.hand_over_program(cluster), handover.program()),
        File(
            f"{at.UNITS}/{unit}",
            handover.keep_unit(cluster, build.facts.base, moving, bound, most),
        ),
    )
    begun = draft.builder.add(
        host,
        STAGE,
        "begin",
        "hand the virtual address over",
        Converge((*files, Unit(unit, enabled=False))),
        needs=passing,
        changes=[
            *(Change(Verb.DELETE, "virtual address", str(each.address)) for each in moving),
            Change(Verb.CREATE, "unit", unit, "until its clients are the others'"),
        ],
    )
    ended = await_end(draft, build, [begun])
    undone = [
        _undo(draft.builder, other.host, host, units.pass_on(cluster), _no_longer_passed(cluster),
              ended)
        for other, _ in takers
    ]  # fmt: skip
    last = _undo(draft.builder, host, host, unit, _no_longer_kept(cluster), *undone)
    return finish([last]) or last


def await_end(draft: Draft, build: HostBuilder, needs: Sequence[str | None] = ()) -> str:
    """Until a host has handed its clients over."""
    cluster = draft.view.spec.name
    return draft.builder.add(
        build.host,
        STAGE,
        "await",
        "wait until its clients are the others'",
        AwaitHandOver(
            units.hand_over(cluster),
            tuple(str(each.address) for each in answering.held(cluster, build.facts)),
            tuple(sorted(answering.bound(cluster, build.facts))),
        ),
        needs=needs,
        timeout=_most(draft.view.spec) + _SPARE,
    )


def _most(spec: Spec) -> float:
    """Seconds that clients have."""
    return min(handover.LONGEST, spec.policies.drain_timeout)


def _undo(
    builder: Builder, host: str, of: str, unit: str, gone: tuple[Resource, ...], *needs: str
) -> str:
    return builder.add(
        host,
        STAGE,
        f"end-{of}",
        f"{of} has handed its clients over",
        Converge(gone),
        needs=needs,
        changes=[Change(Verb.DELETE, "unit", unit)],
    )


def _serves(build: HostBuilder, cluster: str) -> bool:
    """Whether clients may have connections with it."""
    return _runs(build.facts, units.keepalived(cluster)) or under_way(cluster, build.facts)


def _runs(facts: HostFacts, unit: str) -> bool:
    fact = facts.units.get(unit)
    return fact is not None and fact.active == "active"


def _held(cluster: str, facts: HostFacts, addresses: set[IPv4Address]) -> list[Moving]:
    """Those of the addresses that a host may have, as they are there."""
    found = answering.held(cluster, facts)
    return [Moving(v.address, v.interface or "") for v in found if v.address in addresses]


def _takers(
    cluster: str, others: Sequence[HostBuilder], moving: Sequence[Moving]
) -> list[tuple[HostBuilder, list[Moving]]]:
    """Those that may get one of these, and which."""
    addresses = {each.address for each in moving}
    running = [each for each in others if _runs(each.facts, units.keepalived(cluster))]
    found = [(each, _held(cluster, each.facts, addresses)) for each in running]
    return [(each, there) for each, there in found if there]


def _pass_on(cluster: str, other: HostBuilder, text: str) -> Converge:
    """One that passes on to another host still, since a run was cut off, starts anew; one that
    passes on to this host must not: it would forget which connections began with itself."""
    unit, script = units.pass_on(cluster), File(at.pass_on_script(cluster), text)
    runs, differs = _runs(other.facts, unit), script.difference(other.facts, frozenset())
    passing = Unit(unit, enabled=False, restart_on=(script.key,))
    resources = (script, File(f"{at.UNITS}/{unit}", handover.pass_unit(cluster)), passing)
    return Converge(resources, passing.marks(frozenset({script.key} if runs and differs else ())))


def _no_longer_kept(cluster: str) -> tuple[Resource, ...]:
    unit = units.hand_over(cluster)
    return (
        NoUnit(unit, f"{at.UNITS}/{unit}"),
        Absent(at.hand_over_script(cluster)),
        Absent(at.hand_over_program(cluster)),
    )


def _no_longer_passed(cluster: str) -> tuple[Resource, ...]:
    unit = units.pass_on(cluster)
    return (NoUnit(unit, f"{at.UNITS}/{unit}"), Absent(at.pass_on_script(cluster)))
