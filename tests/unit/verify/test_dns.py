"""Which name servers CoreDNS would ask, and whether one of them is CoreDNS itself."""

from __future__ import annotations

import pytest

from kanae.facts.model import UnitFact
from kanae.verify.query import check_query

from .subjects import change, errors_of, file, make_spec, make_subject

ACTIVE = {"systemd-resolved.service": UnitFact("loaded", "active", "enabled")}
STOPPED = {"systemd-resolved.service": UnitFact("loaded", "inactive", "disabled")}


@pytest.mark.parametrize(
    "servers",
    [
        ("127.0.0.1",),
        ("127.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "127.0.0.53"),
        ("10.0.0.1", "::1"),
        ("0.0.0.0", "10.0.0.1"),
    ],
)
def test_one_loopback_among_the_servers_is_enough(servers: tuple[str, ...]) -> None:
    (found,) = errors_of(change(make_subject(), "w1", resolvers=servers), "resolvers")
    assert found.host == "w1"
    assert "CoreDNS asks itself" in found.evidence


def test_servers_that_kubelet_does_not_hand_on_do_not_count() -> None:
    servers = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1")
    assert not errors_of(change(make_subject(), "w1", resolvers=servers), "resolvers")


def test_behind_systemd_resolveds_stub_kubelet_takes_its_upstreams() -> None:
    stub = change(make_subject(), "w1", resolvers=("127.0.0.53",), upstream_resolvers=("10.0.0.1",))
    assert not errors_of(change(stub, "w1", units=ACTIVE), "resolvers")
    # kubeadm looks at the service, not at the file that it left.
    assert errors_of(change(stub, "w1", units=STOPPED), "resolvers")


def test_while_systemd_resolved_runs_its_list_counts_and_not_resolv_conf() -> None:
    plain = change(make_subject(), "w1", units=ACTIVE, upstream_resolvers=("127.0.0.1",))
    (found,) = errors_of(plain, "resolvers")
    assert found.evidence.startswith("/run/systemd/resolve/resolv.conf names only 127.0.0.1")


def test_kubelets_resolv_conf_in_the_spec_is_what_counts() -> None:
    path = "/etc/kubernetes/resolv.conf"
    subject = make_subject(make_spec(kubelet={"resolvConf": path}))
    for host in subject.facts.hosts:
        good = {path: file("search x\nnameserver 10.0.0.1\n")}
        subject = change(subject, host, resolvers=("127.0.0.1",), files=good)
    assert not errors_of(subject, "resolvers")
    assert path in check_query(subject.spec, "w1").contents
    bad = change(subject, "w1", files={path: file("nameserver 127.0.0.1\nnameserver 10.0.0.1\n")})
    (found,) = errors_of(bad, "resolvers")
    assert found.evidence.startswith(f"{path} names 127.0.0.1,")
    (gone,) = errors_of(change(subject, "w1", files={path: None}), "resolvers")
    assert gone.evidence == f"{path} names no server"
