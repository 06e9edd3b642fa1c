"""What a spec says of its hosts."""

from __future__ import annotations

from kanae.spec.load import loads
from kanae.spec.models import Spec, Sudo


def spec() -> Spec:
    return loads(
        """
name: s
kubernetes: 1.37.2
ssh: {user: admin, port: 2222, sudo: password}
kubelet: {maxPods: 50, podsPerCore: 10}
endpoint: {name: api.example.org}
hosts:
  lb: {address: 10.0.0.9, roles: [load-balancer], ssh: {user: root, sudo: none}}
  m1: {address: 10.0.0.1, roles: [control-plane]}
  m2: {address: 10.0.0.2, roles: [control-plane, worker]}
  m3: {address: 10.0.0.3, roles: [control-plane], taints: []}
  w1:
    address: 10.0.0.4
    roles: [worker]
    kubelet: {maxPods: 20}
    taints: [{key: dedicated, value: db, effect: NoExecute}]
""",
        "s.yaml",
    )


def test_a_hosts_ssh_lies_over_the_clusters_field_by_field() -> None:
    own = spec().ssh_of("lb")
    assert (own.user, own.port, own.sudo) == ("root", 2222, Sudo.NONE)
    assert spec().ssh_of("m1") == spec().ssh


def test_only_a_master_that_is_no_worker_is_tainted_by_default() -> None:
    taints = {name: [taint.key for taint in spec().taints_of(name)] for name in spec().nodes}
    assert taints == {
        "m1": ["node-role.kubernetes.io/control-plane"],
        "m2": [],
        "m3": [],
        "w1": ["dedicated"],
    }


def test_a_hosts_kubelet_fields_lie_over_the_clusters() -> None:
    assert spec().kubelet_of("w1") == {"maxPods": 20, "podsPerCore": 10}
    assert spec().kubelet_of("m1") == {"maxPods": 50, "podsPerCore": 10}


def test_clients_use_the_name_and_the_balancers_address_is_behind_it() -> None:
    assert spec().endpoint_host == "api.example.org"
    assert str(spec().endpoint_address) == "10.0.0.9"


def test_the_version_has_its_v_however_it_was_written() -> None:
    assert spec().version == "v1.37.2"
