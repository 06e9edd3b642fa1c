"""What a plan says on hosts of other families than Debian's; their bases are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from kanae.errors import Refused
from kanae.facts.model import Facts, HostBase, HostFacts
from kanae.layout import marks
from kanae.plan.actions import Converge
from kanae.plan.model import Plan
from kanae.plan.reset import reset

from ...model.fixtures import EXAMPLES, V2, Desk, bare, example

ROCKY: Final = replace(
    V2,
    os_id="rocky",
    os_version="9.6",
    os_name="Rocky Linux 9.6 (Blue Onyx)",
    os_like=("rhel", "centos", "fedora"),
)
VOID: Final = replace(V2, os_id="void", os_version="", os_name="Void Linux")
FOREIGN: Final = ("www-data", "/usr/lib/nginx/", "/etc/default/", "apt-get", "libnginx")


def packages(plan: Plan) -> dict[str, str]:
    """Host -> what is shown of its packages."""
    return {
        step.host or "": change.detail
        for step in plan
        for change in step.changes
        if change.kind == "package"
    }


def scripts(plan: Plan) -> list[str]:
    return [
        text
        for step in plan
        if isinstance(step.action, Converge)
        for resource in step.action.resources
        for text in (resource.apply(), *(content.text for content in resource.uploads()))
    ]


def one_host(base: HostBase, **facts: object) -> tuple[Desk, Facts]:
    """The reference cluster with its last node, a worker only, on this base."""
    desk = Desk.of(example("reference"))
    facts_of = dict(bare(desk.spec).hosts)
    worker = desk.spec.nodes[-1]
    facts_of[worker] = replace(facts_of[worker], base=replace(base, **facts))
    return desk, Facts(facts_of)


def test_a_host_of_the_rhel_family_gets_packages_by_their_names_there() -> None:
    spec = example("reference")
    shown = packages(Desk.of(spec).plan(bare(spec, ROCKY)))
    assert shown["lb"] == "install nftables, nginx, nginx-mod-stream"
    assert shown["server1"] == (
        "install conntrack-tools, ethtool, iptables-nft, nftables, socat, haproxy"
    )
    virtual = example("vip")
    shown = packages(Desk.of(virtual).plan(bare(virtual, ROCKY)))
    assert shown["lb1"] == (
        "install haproxy, keepalived, procps-ng, perl-interpreter, perl-Socket, nftables"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_of_debian_reaches_a_host_of_the_rhel_family(name: str) -> None:
    spec = example(name)
    texts = scripts(Desk.of(spec).plan(bare(spec, ROCKY)))
    assert any("dnf install " in text for text in texts)
    assert [word for word in FOREIGN if any(word in text for text in texts)] == []


def test_nginx_has_its_module_and_user_of_the_family() -> None:
    spec = example("reference")
    texts = scripts(Desk.of(spec).plan(bare(spec, ROCKY)))
    [config] = [text for text in texts if "load_module" in text and "worker_processes" in text]
    assert "load_module /usr/lib64/nginx/modules/ngx_stream_module.so;\nuser nginx;\n" in config


def test_an_unknown_family_is_refused_in_one_sentence_in_place_of_a_guess() -> None:
    desk, facts = one_host(VOID, missing_programs=("apt-get", "conntrack", "dnf", "socat"))
    with pytest.raises(Refused) as caught:
        desk.plan(facts)
    assert caught.value.message == (
        f"{desk.spec.nodes[-1]} runs Void Linux, of no family that kanae knows, and how to install "
        "or find conntrack, socat there would be a guess"
    )
    assert "install them by hand" in caught.value.remedy


def test_a_node_of_an_unknown_family_that_has_all_programs_is_planned_without_packages() -> None:
    desk, facts = one_host(VOID)
    plan = desk.plan(facts)
    worker = desk.spec.nodes[-1]
    assert worker not in packages(plan)
    assert f"{worker}/kubernetes/converge" in plan.by_id()


@pytest.mark.parametrize("name", ["reference", "vip"])
def test_a_balancer_of_an_unknown_family_is_refused_even_with_its_programs(name: str) -> None:
    """Their paths and users differ, and a program on PATH does not tell them."""
    spec = example(name)
    hosts = dict(bare(spec).hosts)
    balancer = next(iter(hosts))
    hosts[balancer] = HostFacts(balancer, hosts[balancer].read_at, VOID)
    with pytest.raises(Refused, match=f"^{balancer} runs Void Linux") as caught:
        Desk.of(spec).plan(Facts(hosts))
    assert "by hand" not in caught.value.remedy


def test_a_cluster_is_taken_off_hosts_of_an_unknown_family_too() -> None:
    """As after an edit of /etc/os-release, or an older kanae that guessed."""
    spec = example("vip")
    desk = Desk.of(spec)

    def taken_off(base: HostBase) -> Plan:
        marked = {
            host: replace(facts, marks={marks.CLUSTER: spec.name})
            for host, facts in bare(spec, base).hosts.items()
        }
        return reset(desk.view(Facts(marked)), keep_artifacts=False)

    assert taken_off(VOID) == taken_off(V2)
    assert {step.host for step in taken_off(VOID)} == set(spec.hosts)
