"""An endpoint that is no host's own moves to another address or port: the old one goes on answering
until it is taken away in an edit of its own."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from kanae.errors import Refused
from kanae.facts.model import ObjectKey
from kanae.facts.workloads import PROXY
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.addons import RESTART_DUE
from kanae.render import in_cluster
from kanae.spec.models import Spec
from kanae.spec.rules import violations

from .fixtures import Document, ancestors, document_of, grown
from .in_cluster import ENDPOINTS, behind
from .settled import unsettled
from .simulator import Moments, Simulator
from .test_endpoint import lead_elsewhere, refused

OLD, NEW = "10.77.2.100", "10.77.2.101"
NETWORK = ObjectKey("daemonsets.apps", "kube-flannel", "kube-flannel-ds")
VIRTUAL = {OLD: 51, NEW: 52}


def former(address: str, port: int = 6443, **more: Any) -> Document:
    found: Document = {"address": address, "port": port, **more}
    if address in VIRTUAL:
        found["vrrp"] = {"routerId": VIRTUAL[address]}
    return found


def virtual(address: str, *formerly: Document) -> Document:
    """`vip` at a virtual address."""
    held = {"address": address, "routerId": VIRTUAL[address]}
    return document_of("vip") | {
        "endpoint": {"former": list(formerly)},
        "loadBalancer": {"kind": "haproxy", "virtualAddress": held},
    }


def plain(*formerly: Document) -> Document:
    """`vip` at the address of its first balancer; the other stays as long as the virtual one."""
    document = document_of("vip") | {
        "endpoint": {"address": "10.77.2.8", "former": list(formerly)},
        "loadBalancer": {"kind": "haproxy"},
    }
    if not formerly:
        del document["hosts"]["lb2"]
    return document


def at_port(port: int, *formerly: int) -> Document:
    """`reference` with one balancer, at another port."""
    return document_of("reference") | {
        "endpoint": {"port": port, "former": [former("10.77.1.9", each) for each in formerly]}
    }


# Example -> each edit in its turn, as a person makes them.
MOVES: dict[str, tuple[str, list[Document]]] = {
    "to another virtual address and back": (
        "vip",
        [virtual(NEW, former(OLD)), virtual(NEW), virtual(OLD, former(NEW)), virtual(OLD)],
    ),
    "to a balancer's own address and back": (
        "vip",
        [plain(former(OLD)), plain(), virtual(OLD, former("10.77.2.8")), virtual(OLD)],
    ),
    "to another port and back": (
        "reference",
        [at_port(7443, 6440), at_port(7443), at_port(6440, 7443), at_port(6440)],
    ),
    "there and back before the old one is gone": (
        "vip",
        [virtual(NEW, former(OLD)), virtual(OLD, former(NEW)), virtual(OLD)],
    ),
}


def edit(sim: Simulator, document: Document) -> None:
    spec = Spec.model_validate(copy.deepcopy(document))
    assert list(violations(spec)) == []
    sim.world.edit(spec)


def led_nowhere(sim: Simulator) -> Iterator[str]:
    """Who is led where nobody answers, by what is on hosts and what kube-proxy's pods have read."""
    world = sim.world
    for name, host in world.hosts.items():
        if not host.marked(marks.JOINED):
            continue
        # A kubelet beside an API server waits for just that one.
        own = f"https://{world.address(name)}:6443"
        for path in (at.ADMIN_CONF, at.KUBELET_CONF):
            led = host.server(path)
            if led not in ("", own) and not world.reached(led):
                yield f"{path} of {name} leads to {host.server(path)}"
    for url in re.findall(r"server: (https://\S+)", json.dumps(world.objects[PROXY]["reads"])):
        if not world.reached(url.partition("\\n")[0]):
            yield f"kube-proxy leads to {url}"
    for key, live in world.objects.items():
        for place in in_cluster.led(live):
            if not world.reached(f"https://{place}"):
                yield f"pods of {key.name} are led to {place}"
    for pair in behind(world):
        if not world.answering(*pair):
            yield f"pods are led to {pair}"


def watched(sim: Simulator, **moments: Any) -> tuple[Moments, set[str]]:
    found: set[str] = set()
    return Moments(seen=lambda _: found.update(led_nowhere(sim)), **moments), found


def apply(sim: Simulator) -> None:
    """To its end, without anybody being led nowhere at any moment."""
    moments, cut_off = watched(sim)
    result = sim.apply(moments)
    assert result is not None
    assert result.ok, result.failure(sim.values.redactor)
    assert cut_off == set()
    left = sim.plan()
    assert left.empty, [(step.id, step.changes) for step in left]
    assert unsettled(sim.world) == []
    assert lead_elsewhere(sim) == []


def places(document: Document) -> tuple[set[str], set[str]]:
    """Where the API answers by the spec: now, and formerly."""
    spec = Spec.model_validate(document)
    formerly = {f"https://{each.address}:{each.port}" for each in spec.endpoint.former}
    return {f"https://{spec.endpoint_host}:{spec.endpoint.port}"}, formerly


@pytest.mark.parametrize("move", MOVES)
def test_the_old_one_answers_until_it_is_taken_away(
    built: Callable[[str], Simulator], move: str
) -> None:
    example, documents = MOVES[move]
    sim = built(example)
    for document in documents:
        edit(sim, document)
        apply(sim)
        now, formerly = places(document)
        everywhere = {place for each in documents for part in places(each) for place in part}
        answered = {place for place in everywhere if sim.world.reached(place)}
        # A balancer's own address is answered by its nature.
        own = {place for place in answered if "10.77.2.8:" in place}
        assert answered - own == (now | formerly) - own


def test_three_become_one_again(built: Callable[[str], Simulator]) -> None:
    """First the endpoint leads straight to the API server that stays, then all others leave."""
    sim = built("single")
    document = grown()
    edit(sim, document)
    sim.converge()
    old = {"address": "10.77.4.100", "port": 6440, "vrrp": {"routerId": 51}}
    document["endpoint"] = {"address": "10.77.4.10", "port": 6443, "former": [old]}
    document["loadBalancer"] = {"kind": "haproxy"}
    edit(sim, document)
    apply(sim)
    assert sim.world.reached("https://10.77.4.100:6440")
    document["endpoint"] = {}
    document["hosts"] = {name: document["hosts"][name] for name in ("only", "w1")}
    edit(sim, document)
    # The lone API server is away for its restart.
    sim.converge()
    assert unsettled(sim.world) == []
    assert list(led_nowhere(sim)) == []
    assert not sim.world.reached("https://10.77.4.100:6440")


@pytest.mark.parametrize(
    "move", ["to another virtual address and back", "to another port and back"]
)
@pytest.mark.parametrize("kill", range(3, 60, 14))
def test_killed_on_the_way_nobody_is_led_nowhere_whatever_is_edited_next(
    built: Callable[[str], Simulator], move: str, kill: int
) -> None:
    """Gone on with, taken away too early (which is refused while anybody is led there), or taken
    back."""
    example, (moving, moved, *_) = MOVES[move]
    first = document_of(example)
    for following in (moving, moved, first):
        sim = built(example)
        edit(sim, moving)
        moments, cut_off = watched(sim, kill_record=kill)
        if sim.apply(moments) is not None:
            return
        sim.settle()
        assert cut_off == set()
        edit(sim, following)
        with contextlib.suppress(Refused):
            sim.plan()
            apply(sim)
            continue
        assert following is not moving
        assert "endpoint.former" in refused(sim)
        edit(sim, moving)
        apply(sim)


@pytest.mark.parametrize("kill", range(3, 60, 14))
def test_killed_while_the_old_one_is_taken_away(
    built: Callable[[str], Simulator], kill: int
) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    apply(sim)
    edit(sim, virtual(NEW))
    moments, cut_off = watched(sim, kill_record=kill)
    sim.apply(moments)
    sim.settle()
    assert cut_off == set()
    apply(sim)
    assert not sim.world.reached(f"https://{OLD}:6443")


def unprepared(document: Document) -> Document:
    """What somebody writes who does not know of endpoint.former."""
    del document["endpoint"]["former"]
    held = document["loadBalancer"].get("virtualAddress", {})
    held.pop("routerId", None)
    return document


# An edit by somebody who does not know of endpoint.former, and the line that he is told.
LINES: list[tuple[str, Document, str]] = [
    (
        "vip",
        virtual(NEW),
        f"endpoint.former: [{{address: {OLD}, port: 6443, vrrp: {{routerId: 51}}}}], and "
        "another loadBalancer.virtualAddress.routerId than 51",
    ),
    (
        "vip",
        document_of("vip")
        | {"loadBalancer": {}, "endpoint": {"name": "api.example.org", "former": []}},
        f"endpoint.former: [{{address: {OLD}, port: 6443, vrrp: {{routerId: 51}}}}]",
    ),
    (
        "reference",
        at_port(7443),
        "endpoint.former: [{address: 10.77.1.9, port: 6440}]",
    ),
]


@pytest.mark.parametrize(
    ("example", "document", "line"),
    LINES,
    ids=["another virtual address", "no virtual address", "another port"],
)
def test_the_refusal_names_the_line_to_add(
    built: Callable[[str], Simulator], example: str, document: Document, line: str
) -> None:
    sim = built(example)
    edit(sim, unprepared(document))
    words = refused(sim)
    assert line in words
    assert "nobody would answer at the old one" in words


def test_the_line_names_what_keepalived_has(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    held = {"address": OLD, "routerId": 7, "advertisementInterval": 1, "interface": "bond0"}
    edit(sim, document_of("vip") | {"loadBalancer": {"virtualAddress": held}})
    sim.converge()
    edit(sim, virtual(NEW))
    vrrp = "vrrp: {routerId: 7, advertisementInterval: 1, interface: bond0}"
    assert f"[{{address: {OLD}, port: 6443, {vrrp}}}]" in refused(sim)
    # Every setting of it counts.
    edit(sim, virtual(NEW, former(OLD) | {"vrrp": {"routerId": 7}}))
    assert "would be away for a moment: lb1 has it with other settings than" in refused(sim)


def test_a_router_id_is_not_given_to_another_address(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    swapped = virtual(NEW, former(OLD))
    swapped["loadBalancer"]["virtualAddress"]["routerId"] = 51
    swapped["endpoint"]["former"][0]["vrrp"]["routerId"] = 52
    edit(sim, swapped)
    assert f"{NEW} cannot have the routerId 51, which is that of {OLD} now" in refused(sim)
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    # Nor with the edit that takes the old one away.
    early = virtual(NEW)
    early["loadBalancer"]["virtualAddress"]["routerId"] = 51
    edit(sim, early)
    assert f"{NEW} cannot have the routerId 51" in refused(sim)


def test_the_old_one_stays_while_anybody_is_led_there(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    # A disk is put back as it was before the move.
    host = sim.world.hosts["worker1"]
    text = host.text(at.KUBELET_CONF)
    host.write(at.KUBELET_CONF, text.replace(NEW, OLD), 0o600)
    edit(sim, virtual(NEW))
    words = refused(sim)
    assert f"{at.KUBELET_CONF} of worker1 still leads" in words
    assert f"say endpoint.former: [{{address: {OLD}, port: 6443, vrrp: {{routerId: 51}}}}]" in words


def rollout(sim: Simulator) -> None:
    status = {"observedGeneration": 3, "desiredNumberScheduled": 5, "updatedNumberScheduled": 4}
    sim.world.objects[PROXY] |= {"metadata": {"generation": 3}, "status": status}


def of_network(sim: Simulator) -> None:
    status = {"observedGeneration": 3, "desiredNumberScheduled": 5, "updatedNumberScheduled": 4}
    sim.world.objects[NETWORK] |= {"metadata": {"generation": 3}, "status": status}


def due(sim: Simulator) -> None:
    sim.world.hosts["master1"].mark(RESTART_DUE)


@pytest.mark.parametrize(
    ("state", "whose"),
    [(rollout, "kube-proxy"), (due, "kube-proxy"), (of_network, "kube-flannel-ds")],
)
def test_it_stays_while_pods_may_be_led_there(
    built: Callable[[str], Simulator], state: Callable[[Simulator], None], whose: str
) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    state(sim)
    edit(sim, virtual(NEW))
    assert f"pods of {whose} may still be led to {OLD}:6443" in refused(sim)


def test_it_stays_while_the_pod_network_goes_by_it(built: Callable[[str], Simulator]) -> None:
    """A run was cut off before it was told, or somebody has put it back."""
    sim = built("vip")
    old = sim.world.objects[NETWORK]
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    assert list(in_cluster.led(sim.world.objects[NETWORK])) == [f"{NEW}:6443"]
    sim.world.objects[NETWORK] = old
    edit(sim, virtual(NEW))
    assert "the daemonset kube-flannel-ds still leads" in refused(sim)


def test_pods_are_led_elsewhere_once_the_new_one_answers(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    steps = {step.id: step for step in sim.plan()}
    answers, named = f"master1/in-cluster/answers-{NEW}", "master1/in-cluster/balancer"
    assert {"lb1/balancer/converge", "lb2/balancer/converge", answers} <= ancestors(steps, named)
    assert answers in steps
    assert "master1/endpoint/lead" in ancestors(steps, "master1/pod-network/apply")
    sim.converge()
    assert behind(sim.world) == [(NEW, 6443)]


def test_it_stays_while_pods_are_led_there_by_the_service(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    for key, document in zip(
        (ENDPOINTS, in_cluster.SLICE), in_cluster.named([IPv4Address(OLD)], 6443), strict=True
    ):
        sim.world.objects[key] = dict(document)
    edit(sim, virtual(NEW))
    words = refused(sim)
    assert f"pods reach the API by the balancer at {OLD}:6443" in words
    assert f"say endpoint.former: [{{address: {OLD}, port: 6443, vrrp: {{routerId: 51}}}}]" in words


def test_it_stays_while_no_api_server_tells_who_is_led_there(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    sim.converge()
    for host in ("master1", "master2", "master3"):
        sim.world.hosts[host].pods.clear()
    edit(sim, virtual(NEW))
    assert "cannot be told while no API server answers" in refused(sim)


def test_a_balancer_stays_whose_address_is_a_former_endpoint(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, plain(former(OLD)))
    sim.converge()
    document = virtual(OLD, former("10.77.2.8"))
    edit(sim, document)
    sim.converge()
    document["hosts"]["lb3"] = {"address": "10.77.2.7", "roles": ["load-balancer"]}
    del document["hosts"]["lb1"]
    edit(sim, document)
    assert "lb1 has an address of endpoint.former (10.77.2.8)" in refused(sim)
    del document["endpoint"]["former"]
    edit(sim, document)
    sim.converge()


def test_a_virtual_address_does_not_become_anothers_by_being_called_so(
    built: Callable[[str], Simulator],
) -> None:
    sim = built("vip")
    edit(sim, document_of("vip") | {"loadBalancer": {}, "endpoint": {"address": OLD}})
    assert f"say it in loadBalancer.virtualAddress.address: {OLD}" in refused(sim)


def test_it_is_told_what_goes_on_and_what_is_taken_away(built: Callable[[str], Simulator]) -> None:
    sim = built("vip")
    edit(sim, virtual(NEW, former(OLD)))
    [note] = sim.plan().notes
    assert note.startswith(f"{OLD}:6443 goes on answering")
    sim.converge()
    edit(sim, virtual(NEW))
    [note] = sim.plan().notes
    assert note.startswith(f"{OLD}:6443 is taken away")


@pytest.mark.parametrize(
    "moved", [virtual(NEW, former(OLD)), plain(former(OLD))], ids=["new", "plain"]
)
def test_a_reset_takes_all_of_it_away(built: Callable[[str], Simulator], moved: Document) -> None:
    sim = built("vip")
    edit(sim, moved)
    sim.converge()
    sim.world.resetting = True
    result = sim.carry_out(sim.reset_plan())
    assert result is not None
    assert result.ok
    for name in ("lb1", "lb2"):
        host = sim.world.hosts[name]
        assert not host.active(units.keepalived("vip"))
        assert not host.active(units.balancer("vip"))
        assert not host.has(at.keepalived_config("vip"))
