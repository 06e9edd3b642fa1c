"""Plans for living clusters, as they are recorded: what an edit or a repair changes, in which order
and behind which gates. `KANAE_GOLDEN=write pytest ...` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.model import Plan
from kanae.spec.models import Spec

from ..unit.golden import GOLDEN, agree
from .fixtures import Desk, document_of, example
from .simulator import Simulator
from .world import World

Document = dict[str, Any]
Change = Callable[[Document], object]


@cache
def _built(name: str) -> World:
    sim = Simulator(World.bare(Desk.of(example(name))))
    sim.converge()
    return sim.world


def _add(name: str, address: str, *roles: str) -> Change:
    def change(document: Document) -> None:
        document["hosts"][name] = {"address": address, "roles": list(roles)}

    return change


def _set(**fields: Any) -> Change:
    return lambda document: document.update(fields)


def _endpoint(**fields: Any) -> Change:
    return lambda document: document["endpoint"].update(fields)


_FORMER: Final = {"former": [{"address": "10.77.2.100", "port": 6443, "vrrp": {"routerId": 51}}]}
_MOVED: Final = {"virtualAddress": {"address": "10.77.2.101", "routerId": 52}}
EDITS: Final[dict[str, tuple[str, Change]]] = {
    "reference-balancer": (
        "reference",
        _set(loadBalancer={"kind": "nginx", "connectTimeout": "700ms"}),
    ),
    "reference-haproxy": ("reference", _set(loadBalancer={"kind": "haproxy"})),
    "reference-api-server": (
        "reference",
        _set(apiServer={"extraArgs": {"max-requests-inflight": "500"}}),
    ),
    "reference-kubelet": ("reference", _set(kubelet={"maxPods": 99})),
    "reference-etcd": ("reference", _set(etcd={"electionTimeout": 900})),
    "reference-worker": ("reference", _add("server6", "10.77.1.20", "worker")),
    "reference-client": ("reference", _add("server7", "10.77.1.21", "client")),
    "vip-control-planes": (
        "vip",
        lambda document: [
            _add(f"master{n}", f"10.77.2.{20 + n}", "control-plane")(document) for n in (4, 5)
        ],
    ),
    "vip-balancer": ("vip", _add("lb3", "10.77.2.7", "load-balancer")),
    "three-machines-masters": ("three-machines", _endpoint(inCluster="masters")),
    "vip-endpoint": ("vip", _set(endpoint=_FORMER, loadBalancer=_MOVED)),
    "three-machines-kubelet": ("three-machines", _set(kubelet={"maxPods": 99})),
    "dedicated-etcd-etcd": ("dedicated-etcd", _set(etcd={"electionTimeout": 900})),
}


def _drifted(path: str) -> Callable[[World], None]:
    def harm(world: World) -> None:
        for host in world.hosts.values():
            if host.has(path):
                host.write(path, "as an older kanae wrote it", host.files[path].mode)

    return harm


def _stopped(host: str, unit: str) -> Callable[[World], None]:
    return lambda world: world.hosts[host].stop(unit)


DRIFTS: Final[dict[str, tuple[str, Callable[[World], None]]]] = {
    "reference-containerd-drift": ("reference", _drifted(at.CONTAINERD_CONFIG)),
    "reference-etcd-drift": ("reference", _drifted(at.ETCD_UNIT)),
    "vip-balancer-drift": ("vip", _drifted(f"{at.UNITS}/{units.balancer('vip')}")),
    "reference-stopped-kubelet": ("reference", _stopped("server4", units.KUBELET)),
    "three-machines-containerd-drift": ("three-machines", _drifted(at.CONTAINERD_CONFIG)),
}


def recorded(plan: Plan) -> str:
    """A step a paragraph: its id and title, what it waits for, what it changes."""
    lines: list[str] = []
    for step in plan:
        lines.append(f"{step.id}: {step.title}")
        lines += [f"    after {need}" for need in step.needs]
        for change in step.changes:
            detail = f" ({change.detail})" if change.detail else ""
            lines.append(f"    {change.verb.value} {change.kind} {change.subject}{detail}")
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)]) + "\n"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_a_living_cluster_is_planned_as_recorded(name: str) -> None:
    example_name, change = EDITS[name]
    sim = Simulator(_built(example_name).copy())
    document = document_of(example_name)
    change(document)
    sim.world.edit(Spec.model_validate(document))
    plan = sim.plan()
    assert not plan.empty
    agree(GOLDEN / "plan/living" / f"{name}.txt", recorded(plan))
    sim.converge()
    assert sim.world.violations == []


def test_a_former_endpoint_is_taken_away_as_recorded() -> None:
    sim = Simulator(_built("vip").copy())
    document = document_of("vip") | {"endpoint": _FORMER, "loadBalancer": _MOVED}
    sim.world.edit(Spec.model_validate(document))
    sim.converge()
    del document["endpoint"]
    sim.world.edit(Spec.model_validate(document))
    agree(GOLDEN / "plan/living/vip-former-gone.txt", recorded(sim.plan()))
    sim.converge()
    assert sim.world.violations == []


@pytest.mark.parametrize("name", DRIFTS)
def test_a_repair_of_a_living_cluster_is_planned_as_recorded(name: str) -> None:
    example_name, harm = DRIFTS[name]
    sim = Simulator(_built(example_name).copy())
    harm(sim.world)
    plan = sim.plan()
    assert not plan.empty
    agree(GOLDEN / "plan/living" / f"{name}.txt", recorded(plan))
    sim.converge()
    assert sim.world.violations == []
