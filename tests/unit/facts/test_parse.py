"""Parsing, from what a control-plane host of a lab cluster (v1.37.2) answered."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanae.errors import FactsError
from kanae.facts.model import Applied, Facts, HostFacts, ObjectKey, Query
from kanae.facts.parse import parse
from kanae.layout import families

PKI = "/etc/kubernetes/pki"
RECORDED = (Path(__file__).parent / "recorded" / "server1.txt").read_bytes()
# The same host asked by kubectl, as where there is no openssl.
BY_KUBECTL = (Path(__file__).parent / "recorded" / "server1-kubectl.txt").read_bytes()
# The query that was asked when they were recorded.
QUERY = Query(
    files=(
        "/usr/local/bin/kubelet",
        "/etc/kubernetes",
        "/nonexistent",
        "/etc/os-release",
        f"{PKI}/sa.key",
    ),
    contents=("/etc/hostname", "/etc/containerd/config.toml", "/etc/modules-load.d/kanae.conf"),
    certificates=(
        f"{PKI}/ca.crt",
        f"{PKI}/apiserver.crt",
        f"{PKI}/etcd/server.crt",
        f"{PKI}/nope.crt",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/etc/kubernetes/admin.conf",
    ),
    units=("kubelet.service", "etcd.service", "nope.service", "ssh.service"),
    packages=("haproxy", "conntrack", "nope"),
    sysctls=("net.ipv4.ip_forward", "no.such.setting"),
    images=True,
    cluster=True,
    etcd=True,
    address="10.88.1.10",
    objects=(
        ObjectKey("daemonsets.apps", "kube-system", "kube-proxy"),
        ObjectKey("configmaps", "kube-system", "kubeadm-config"),
        ObjectKey("daemonsets.apps", "kube-flannel", "kube-flannel-ds"),
        ObjectKey("clusterroles.rbac.authorization.k8s.io", "", "flannel"),
        ObjectKey("configmaps", "kube-system", "nope"),
    ),
)
STARTED, ENDED = (
    float(re.findall(pattern, RECORDED)[0]) for pattern in (rb"kanae-facts 1 (\S+)", rb" end (\S+)")
)


def _parse(output: bytes, sent: float = STARTED - 0.1, received: float = ENDED + 0.3) -> HostFacts:
    return parse("server1", QUERY, output, sent, received)


def test_drop_ins_of_a_unit_are_told() -> None:
    told = b"DropInPaths=/etc/systemd/system/kubelet.service.d/10-kubeadm.conf /run/x.d/a.conf\n"
    facts = parse("server1", QUERY, RECORDED.replace(b"LoadState=", told + b"LoadState=", 1), 0, 0)
    kubelet = facts.units["kubelet.service"]
    assert kubelet is not None
    assert kubelet.dropins == (
        "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
        "/run/x.d/a.conf",
    )


def test_base_of_the_recorded_host() -> None:
    base = _parse(RECORDED).base
    assert base.hostname == "server1"
    assert (base.os_id, base.os_version, base.arch, base.systemd) == ("debian", "12", "amd64", 252)
    assert base.os_like == ()
    assert base.family is families.DEBIAN
    assert base.cgroup == 1
    assert not base.can_lower_oom
    assert {"overlay", "vxlan", "nf_tables"} <= base.kernel_features
    assert base.resolvers
    held = {(s.port, s.process) for s in base.listeners if s.protocol == "tcp"}
    assert {(6443, "kube-apiserver"), (2379, "etcd"), (10250, "kubelet")} <= held
    links = {interface.name: interface for interface in base.interfaces}
    assert links["host0"].addresses[0] == "10.88.1.10/24"
    assert ("default", "host0") in {(r.destination, r.interface) for r in base.routes}


def test_a_host_is_of_the_family_of_its_kin() -> None:
    release = b'ID="rebuild"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\n'
    output = re.sub(
        rb"(==> /etc/os-release <==\n)(?:.+\n)+", lambda match: match[1] + release, RECORDED
    )
    base = _parse(output).base
    assert (base.os_id, base.os_version) == ("rebuild", "9.6")
    assert base.os_like == ("rhel", "centos", "fedora")
    assert base.family is families.RHEL


def test_a_module_may_be_there_and_not_loaded() -> None:
    assert _parse(RECORDED).base.unloaded_modules == frozenset()
    base = _parse(RECORDED.replace(b"\nbr_netfilter\n", b"\nbr_netfilter unloaded\n")).base
    assert base.unloaded_modules == {"br_netfilter"}
    assert {"br_netfilter", "overlay"} <= base.kernel_features


def test_the_hosts_own_work_does_not_count_as_distance() -> None:
    base = _parse(RECORDED).base
    assert base.clock_error == pytest.approx(0.2, abs=1e-3)
    assert base.clock_offset == pytest.approx(-0.1, abs=1e-3)


def test_units_packages_and_settings_that_are_not_there_are_none() -> None:
    facts = _parse(RECORDED)
    assert facts.units["nope.service"] is None
    kubelet = facts.units["kubelet.service"]
    assert kubelet is not None
    assert (kubelet.load, kubelet.active, kubelet.enabled) == ("loaded", "active", "enabled")
    assert kubelet.since > 0
    assert facts.packages["nope"] is None
    assert facts.packages["haproxy"] == "2.6.12-1+deb12u4"
    assert facts.sysctls == {"net.ipv4.ip_forward": "1", "no.such.setting": None}
    assert facts.files["/nonexistent"] is None


def test_certificates_of_the_recorded_host() -> None:
    certificates = _parse(RECORDED).certificates
    authority, server = certificates[f"{PKI}/ca.crt"], certificates[f"{PKI}/apiserver.crt"]
    assert authority is not None
    assert authority.is_ca
    assert server is not None
    assert server.authority_key_id == authority.subject_key_id
    assert {"10.88.1.10", "kubernetes"} <= server.sans
    assert server.key_matches
    admin = certificates["/etc/kubernetes/admin.conf"]
    assert admin is not None
    assert "CN=kubernetes-admin" in admin.subject


@pytest.mark.parametrize("recorded", [RECORDED, BY_KUBECTL], ids=["openssl", "kubectl"])
def test_etcd_api_and_images_of_the_recorded_host(recorded: bytes) -> None:
    facts = _parse(recorded)
    assert facts.etcd is not None
    assert {m.name for m in facts.etcd.members} == {"server1", "server2", "server3"}
    assert facts.etcd.leader_id in {m.id for m in facts.etcd.members}
    assert facts.etcd.version == "3.7.3"
    assert facts.api is not None
    assert facts.api.ready
    assert facts.api.version == "v1.37.2"
    assert set(facts.api.nodes) == {"server1", "server2", "server3", "server4"}
    assert set(facts.api.objects) == set(QUERY.objects[:4])
    assert facts.images is not None
    # Of a host whose other images were not pinned.
    assert [name for name in facts.images if "/" in name] == ["registry.k8s.io/pause:3.10.2"]
    assert all(digest.startswith("sha256:") for digest in facts.images.values())
    assert Facts({"server1": facts}).api is facts.api


def test_what_a_login_shell_prints_before_is_ignored() -> None:
    assert _parse(b"Welcome!\nkanae-facts 1\n" + RECORDED) == _parse(RECORDED)


def test_an_unanswered_api_and_etcd_read_as_none() -> None:
    def without(output: bytes, section: bytes) -> bytes:
        return re.sub(rb"(#[0-9.]+ answer " + section + rb"\n)[^#]*", rb"\1", output)

    assert _parse(without(RECORDED, b"api")).api is None
    assert _parse(without(RECORDED, b"etcd-status")).etcd is None
    assert _parse(without(BY_KUBECTL, b"api-version")).api is None
    assert _parse(re.sub(rb"answer api-objects-1", b"other", BY_KUBECTL)).api is None
    unready = _parse(without(BY_KUBECTL, b"api-ready")).api
    assert unready is not None
    assert not unready.ready


def _answered(*statuses: int) -> bytes:
    """The recording with an API that answers each request with these."""
    bodies = {1: b'{"items": []}', len(statuses) - 1: b'{"gitVersion": "v1.37.2"}'}
    stream = b""
    for number, status in enumerate(statuses):
        body = bodies.get(number, b"{}")
        stream += b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    return re.sub(
        rb"(#[0-9.]+ answer api\n)[^#]*",
        lambda match: match[1] + base64.b64encode(stream) + b"\n",
        RECORDED,
    )


def test_an_object_that_could_not_be_read_does_not_read_as_missing() -> None:
    missing = _parse(_answered(200, 200, 404, 404, 404, 404, 404, 200)).api
    assert missing is not None
    assert missing.objects == {}
    assert _parse(_answered(200, 200, 404, 404, 503, 404, 404, 200)).api is None
    assert _parse(_answered(200, 200, 404, 404, 200)).api is None
    unready = _parse(_answered(500, 200, 404, 404, 404, 404, 404, 200)).api
    assert unready is not None
    assert not unready.ready


DAEMONS = QUERY.objects[2]
ABSENT = QUERY.objects[4]
APPLIED = (Applied(DAEMONS, "v1", "{}"), Applied(ABSENT, "v1", "{}"))


def test_what_objects_would_be_is_known_of_those_that_the_server_takes() -> None:
    """By openssl, which tells of each; 201 says that it would be made, 422 that it is refused."""
    query = replace(QUERY, applied=APPLIED)
    answer = _answered(200, 200, 404, 404, 404, 404, 404, 201, 422, 200)
    api = parse("server1", query, answer, STARTED, ENDED).api
    assert api is not None
    assert api.stored == {DAEMONS: {}}
    assert parse("server1", query, _answered(*[200] * 8), STARTED, ENDED).api is None


@pytest.mark.parametrize("several", [True, False])
def test_kubectl_prints_them_as_one_object_or_a_list(several: bool) -> None:
    daemons = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": DAEMONS.name, "namespace": DAEMONS.namespace},
    }
    printed = {"kind": "List", "items": [daemons]} if several else daemons
    section = b"answer api-stored\n" + base64.b64encode(json.dumps(printed).encode()) + b"\n"
    output = re.sub(rb"(#[0-9.]+ )(answer api-version\n)", rb"\1" + section + rb"\1\2", BY_KUBECTL)
    api = parse("server1", replace(QUERY, applied=APPLIED), output, STARTED, ENDED).api
    assert api is not None
    assert api.stored == {DAEMONS: daemons}


@given(st.integers(0, len(RECORDED) - 30))
@settings(max_examples=150, deadline=None)
def test_an_answer_that_is_cut_short_is_an_error(length: int) -> None:
    with pytest.raises(FactsError):
        _parse(RECORDED[:length])


@given(st.binary(max_size=400))
def test_garbage_is_an_error(garbage: bytes) -> None:
    with pytest.raises(FactsError):
        _parse(garbage)


@given(
    st.lists(st.tuples(st.integers(0, len(RECORDED) - 1), st.binary(max_size=12)), max_size=20),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
@settings(max_examples=300, deadline=None)
def test_damage_gives_facts_or_an_error_and_never_a_traceback(
    damage: list[tuple[int, bytes]], received: float
) -> None:
    output = bytearray(RECORDED)
    for place, piece in damage:
        output[place : place + len(piece)] = piece
    with contextlib.suppress(FactsError):
        _parse(bytes(output), STARTED, received)


@given(
    st.sampled_from(re.findall(rb"#[0-9.]+ ([^\n]+)\n", RECORDED)),
    st.lists(st.text(max_size=60), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_any_text_in_place_of_a_section_never_ends_in_a_traceback(
    section: bytes, lines: list[str]
) -> None:
    body = "\n".join(lines).encode("utf-8", "surrogatepass")
    pattern = rb"(#[0-9.]+ " + re.escape(section) + rb"\n)(?:(?!#[0-9.]+ ).*\n)*"
    output, replaced = re.subn(pattern, lambda match: match[1] + body + b"\n", RECORDED)
    assert replaced == 1
    with contextlib.suppress(FactsError):
        _parse(output)
