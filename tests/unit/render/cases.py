"""The examples and two kinds of host that the rendering tests share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from kanae.facts.model import HostBase, Interface
from kanae.spec.models import Spec

ROOT: Final = Path(__file__).parents[3]
EXAMPLES: Final = tuple(sorted(path.stem for path in (ROOT / "examples").glob("*.yaml")))

# A plain machine of today.
V2: Final = HostBase(
    hostname="host",
    machine_id="0" * 32,
    product_uuid="",
    boot_id="",
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    arch="amd64",
    kernel="6.1.0",
    cpus=4,
    memory=8 * 2**30,
    swap=0,
    cgroup=2,
    uptime=1.0,
    clock_offset=0.0,
    clock_error=0.0,
    hard_nofile=1048576,
    can_lower_oom=True,
    systemd=252,
    kernel_features=frozenset({"br_netfilter", "overlay", "vxlan", "openvswitch"}),
)
# A host within a host on a machine of yesterday: hybrid cgroups, few rights.
V1: Final = replace(
    V2,
    cgroup=1,
    hard_nofile=20000,
    can_lower_oom=False,
    kernel_features=frozenset({"br_netfilter", "overlay", "vxlan"}),
)


def example(name: str) -> Spec:
    return spec_of((ROOT / "examples" / f"{name}.yaml").read_text())


def spec_of(text: str) -> Spec:
    data: Any = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped
    return Spec.model_validate(data)


def on(spec: Spec, host: str, base: HostBase) -> HostBase:
    """The host with its address on an interface."""
    return replace(base, interfaces=(Interface("eth1", "", (f"{spec.hosts[host].address}/24",)),))


def small(**fields: object) -> Spec:
    """One balancer, two masters, one worker; with these top-level fields of the spec."""
    data: dict[str, object] = {
        "name": "small",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": 6440},
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.10", "roles": ["control-plane"]},
            "m2": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "w1": {"address": "10.0.0.12", "roles": ["worker"]},
        },
    }
    return Spec.model_validate(data | fields)
