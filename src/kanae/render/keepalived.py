"""keepalived: the virtual address that moves between the balancer hosts of one cluster.

VRRP version 3 with unicast adverts: with an interval of 0.2 s a dead holder is replaced after
3 intervals and a skew of (256 - priority) / 256 intervals (keepalived's vrrp.h; RFC 5798 6.1), so
priorities are high. Source of keywords: keepalived.conf(5) of 2.2.

Adverts count only when they come from a peer's address (`tests/contract/test_keepalived.py`). What
remains: whoever can send packets with a peer's address in that network can take the virtual
address, as he could by ARP alone.

While the endpoint moves there are two addresses, each with an instance and a router id of its own.
Two in one instance would not do: one that is configured with other addresses than the sender drops
the advert (vrrp_check_packet, "invalid ip number count"), so that while balancers change one after
another each would take itself for the only one. A reload leaves an instance as it is whose router
id and interface stay (vrrp_exist), whatever it is called.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, ip_interface
from typing import Final

from kanae.facts.model import HostBase
from kanae.layout import paths, units
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.spec.models import Role, Spec, VirtualAddress

_HIGHEST: Final = 250
_STEP: Final = 10
# With many balancers the last ones share the lowest: addresses then decide (RFC 5798 6.4.3).
_LOWEST: Final = 200
# Without a peer keepalived would listen to anyone's multicast adverts. As RFC 5798's owner of the
# address (priority 255) it would not keep it either: it lowers its own priority when another owner
# shows up. Nobody else has this address: Linux drops packets that come from a network with a source
# of the host's own.
_NOBODY: Final = "127.0.0.1"
_INSTANCE: Final = re.compile(
    r"^vrrp_instance [^}]*?^    interface (?P<interface>\S+)\n"
    r"    virtual_router_id (?P<router_id>\d{1,3})\n    priority \d+\n"
    r"    advert_int (?P<advertisement_interval>[\d.]+)\n[^}]*}\s*"
    r"virtual_ipaddress {\s*(?P<address>[\d.]+)/32 ",
    re.MULTILINE,
)


def priority(spec: Spec, host: str) -> int:
    """250 for the first balancer of the spec, 10 less for each that follows, never under 200."""
    return max(_LOWEST, _HIGHEST - _STEP * spec.having(Role.LOAD_BALANCER).index(host))


def config(spec: Spec, host: str, base: HostBase) -> str:
    """Raises ValueError when the spec has no virtual address. base: of the host.

    nopreempt: a balancer that returns does not take the address back, which would be one more
    interruption. It is the local balancer that is watched, not the API servers: those are the
    balancer's business. A balancer that has crashed is restarted by systemd within 0.1 s; the
    check is for one that stays away, so it can afford not to be misled by a slow host.
    """
    if not spec.virtual_addresses:
        raise ValueError(f"{spec.name} has no virtual address")
    instances = "\n".join(_instance(spec, host, base, each) for each in spec.virtual_addresses)
    return f"""{banner()}global_defs {{
    router_id {host}
    vrrp_version 3
    # Adverts of peers only: version 3 has no authentication.
    vrrp_check_unicast_src
    enable_script_security
    script_user root
    # A busy host must not delay adverts: its peers would take it for dead.
    vrrp_priority -20
    vrrp_garp_master_delay 1
    vrrp_garp_master_repeat 3
}}

vrrp_script balancer {{
    script "{base.family.path(Need.PROCPS)} -F {paths.balancer_pid(spec.name)}"
    interval 1
    timeout 3
    fall 2
    rise 1
}}

{instances}"""


def _instance(spec: Spec, host: str, base: HostBase, virtual: VirtualAddress) -> str:
    address = spec.hosts[host].address
    interface = virtual.interface or own_interface(base, address)
    others = [
        str(spec.hosts[name].address) for name in spec.having(Role.LOAD_BALANCER) if name != host
    ]
    peers = [f"        {peer}\n" for peer in others or [_NOBODY]]
    now = virtual == spec.load_balancer.virtual_address
    name = spec.name if now else f"{spec.name}-{virtual.router_id}"
    return f"""vrrp_instance {name} {{
    state BACKUP
    nopreempt
    interface {interface}
    virtual_router_id {virtual.router_id}
    priority {priority(spec, host)}
    advert_int {virtual.advertisement_interval:g}
    unicast_src_ip {address}
    unicast_peer {{
{"".join(peers)}    }}
    virtual_ipaddress {{
        {_assigned(virtual, interface)}
    }}
    track_script {{
        balancer
    }}
}}
"""


def held(text: str) -> tuple[VirtualAddress, ...]:
    """The addresses of a configuration that `config` made; none of what makes no sense."""
    found: list[VirtualAddress] = []
    for match in _INSTANCE.finditer(text):
        # Somebody may have edited it.
        with contextlib.suppress(ValueError):
            found.append(VirtualAddress.model_validate(match.groupdict()))
    return tuple(found)


def unit(spec: Spec, base: HostBase) -> str:
    name = spec.name
    run = paths.keepalived_run(name)
    return f"""{banner()}[Unit]
Description=virtual address of the cluster {name}
Documentation=man:keepalived(8)
Wants=network-online.target {units.balancer(name)}
After=network-online.target {units.balancer(name)}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart={base.family.path(Need.KEEPALIVED)} --dont-fork --log-console --vrrp \\
  --use-file={paths.keepalived_config(spec.name)} --pid={run}.pid --vrrp_pid={run}-vrrp.pid
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def _assigned(virtual: VirtualAddress, interface: str) -> str:
    """As /32, so that the host never takes it for the source of its own connections."""
    return f"{virtual.address}/32 dev {interface}"


def own_interface(base: HostBase, address: IPv4Address) -> str:
    """The interface that has the host's address; eth0 for a host that has not been asked yet."""
    for interface in base.interfaces:
        if any(ip_interface(text).ip == address for text in interface.addresses):
            return interface.name
    return "eth0"
