"""A balancer that gives a virtual address up hands its clients over: see `render/handover.py`."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import answering
from kanae.plan.actions import AwaitHandOver, Converge
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.render import handover
from kanae.render.handover import Moving
from kanae.resources.file import Absent, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Role

STAGE = "hand-over"
# Beside the time that clients have: for the step to begin in, and to tell what is left.
_SPARE = 60


def none(cluster: str) -> tuple[Resource, ...]:
    """What a run that was cut off may have left on any balancer."""
    return (*_no_longer_kept(cluster), *_no_longer_passed(cluster))


def give_up(
    draft: Draft, build: HostBuilder, gone: Sequence[Resource], needs: Sequence[str | None]
) -> str | None:
    """Steps by which a host gives to the others what virtual addresses it has; None where there is
    nothing to be done. gone: what goes with them, keepalived and its files.

    One that was cut off is gone on with: what runs is left as it is until it has ended, and what
    tells of the addresses goes last.
    """
    view, host = draft.view, build.host
    cluster = view.spec.name
    moving = [Moving(v.address, v.interface or "") for v in answering.held(cluster, build.facts)]
    bound = sorted(answering.bound(cluster, build.facts))
    takers = _takers(view, moving) if bound and _serves(build, cluster) else {}

    def finish(after: Sequence[str | None]) -> str | None:
        return build.converge("virtual-address", "give the virtual address up", gone, after)

    if not takers:
        return finish(needs)
    own = view.former.spec.hosts[host].address
    most = min(handover.LONGEST, view.spec.policies.drain_timeout)
    passing = [
        draft.builder.add(
            other,
            STAGE,
            f"pass-on-{host}",
            f"pass on to {host} what belongs to its connections",
            Converge(_passed(cluster, handover.pass_script(cluster, own, there, bound, most))),
            needs=needs,
            changes=[Change(Verb.CREATE, "unit", units.pass_on(cluster), "for a while")],
        )
        for other, there in takers.items()
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
    ended = draft.builder.add(
        host,
        STAGE,
        "await",
        "wait until its clients are the others'",
        AwaitHandOver(unit, tuple(str(each.address) for each in moving), tuple(bound)),
        needs=[begun],
        timeout=most + _SPARE,
    )
    undone = [
        _undo(draft.builder, other, host, units.pass_on(cluster), _no_longer_passed(cluster), ended)
        for other in takers
    ]
    last = _undo(draft.builder, host, host, unit, _no_longer_kept(cluster), *undone)
    return finish([last]) or last


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
    names = (units.keepalived(cluster), units.hand_over(cluster))
    facts = (build.facts.units.get(name) for name in names)
    return any(fact is not None and fact.active == "active" for fact in facts)


def _takers(view: View, moving: Sequence[Moving]) -> dict[str, list[Moving]]:
    """Balancers that may get one of these -> those that they may, as they are there."""
    cluster, addresses = view.spec.name, {each.address for each in moving}
    found: dict[str, list[Moving]] = {}
    for host in view.spec.having(Role.LOAD_BALANCER):
        if host not in view.reachable or not view.active(host, units.keepalived(cluster)):
            continue
        held = answering.held(cluster, view.host(host))
        there = [Moving(v.address, v.interface or "") for v in held if v.address in addresses]
        if there:
            found[host] = there
    return found


def _passed(cluster: str, script: str) -> tuple[Resource, ...]:
    unit = units.pass_on(cluster)
    return (
        File(at.pass_on_script(cluster), script),
        File(f"{at.UNITS}/{unit}", handover.pass_unit(cluster)),
        Unit(unit, enabled=False),
    )


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
