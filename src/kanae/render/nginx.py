"""nginx (stream) as the balancer in front of the API servers, and the gate that it needs on
the masters.

nginx judges a server only by the connections it makes. What it lacks is made good by the gate
(an API server that answers but is not ready is closed to the balancers) and by TCP settings of the
balancer host (connections to a host that has lost power end in seconds, not in 15 minutes).
Values and their measured effect: docs/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from kanae.facts.model import HostBase
from kanae.layout import paths, ports, units
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.spec.duration import milliseconds
from kanae.spec.models import Role, Spec

# Twice haproxy's: a connection lost here puts the server aside for _ASIDE, without a check that
# would bring it back sooner. Less than the second after which a lost SYN is sent again: there is
# nothing to wait for between the two.
_CONNECT_TIMEOUT: Final = "300ms"
_ASIDE: Final = "5s"

# For the whole balancer host: nginx cannot set TCP_USER_TIMEOUT on its connections.
SYSCTLS: Final[Mapping[str, str]] = {
    # Unacknowledged data: given up at the third retransmission, 1.4 s (7 x the timeout of 200 ms
    # and a round trip) after it was sent. The kernel compares the time since the *first*
    # retransmission (6 x) with what its model allows, 0.6 s for 1 and 1.4 s for 2: with 2 it
    # would be 3 s, or 1.6 s where the round trip takes more than 33 ms.
    "net.ipv4.tcp_retries2": "1",
    "net.ipv4.tcp_syn_retries": "1",
    # Silent connections with proxy_socket_keepalive: given up after 1 + 2 x 1 s.
    "net.ipv4.tcp_keepalive_time": "1",
    "net.ipv4.tcp_keepalive_intvl": "1",
    "net.ipv4.tcp_keepalive_probes": "2",
}


def config(spec: Spec, base: HostBase, planes: Sequence[str] = ()) -> str:
    """A whole nginx.conf, for a process of its own; the distribution's is left alone.

    planes: the control-plane hosts that it leads to, all by default.
    """
    connect = milliseconds(spec.load_balancer.connect_timeout or _CONNECT_TIMEOUT)
    planes = planes or spec.having(Role.CONTROL_PLANE)
    # A lone server is never put aside: there is nobody to take over.
    judged = f"max_fails=1 fail_timeout={_ASIDE}" if len(planes) > 1 else "max_fails=0"
    servers = "\n".join(
        f"        server {spec.hosts[name].address}:{ports.API_SERVER} {judged}; # {name}"
        for name in planes
    )
    listens = "\n".join(
        f"        listen {port} so_keepalive=20s:3s:3;" for port in spec.balanced_ports
    )
    family = base.family
    return f"""{banner()}load_module {family.path(Need.NGINX_STREAM)};
user {family.supplies[Need.NGINX].user};
worker_processes auto;
worker_rlimit_nofile 16384;
# After a reload old workers serve their connections on; API clients renew theirs.
worker_shutdown_timeout 15m;
pid {paths.balancer_pid(spec.name)};
error_log stderr warn;

events {{
    worker_connections 8000;
}}

stream {{
    upstream api {{
        # Shared, so that all workers know which servers have failed.
        zone api 64k;
{servers}
    }}

    server {{
{listens}
        proxy_pass api;
        proxy_connect_timeout {connect}ms;
        proxy_next_upstream on;
        proxy_next_upstream_tries {max(3, len(planes))};
        proxy_next_upstream_timeout 4s;
        proxy_socket_keepalive on;
        # Connections of watches and of `kubectl exec` may be silent for hours.
        proxy_timeout 24h;
    }}
}}
"""


def bound(text: str) -> frozenset[int]:
    """The ports of a configuration that `config` made; none of any other text."""
    return frozenset(map(int, re.findall(r"(?m)^        listen (\d{1,5}) ", text)))


def unit(spec: Spec, base: HostBase) -> str:
    command = f"{base.family.path(Need.NGINX)} -c {paths.balancer_config(spec.name)}"
    return f"""{banner()}[Unit]
Description=API balancer of the cluster {spec.name}
Documentation=man:nginx(8)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=forking
PIDFile={paths.balancer_pid(spec.name)}
ExecStartPre={command} -t -q
ExecStart={command}
ExecReload={command} -t -q
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGQUIT
TimeoutStopSec=5
KillMode=mixed
Restart=always
RestartSec=100ms

[Install]
WantedBy=multi-user.target
"""


def gate_script(spec: Spec, host: str) -> str:
    """On a control-plane host: new connections of the balancers are reset until /readyz is ok,
    for as long as another API server is ready.

    To be ready means 200 from /readyz. Only a clear no closes an open gate: an answer that is not
    200, a refused or broken connection. Silence does not: a busy host's API server may be slow,
    and nginx itself leaves one that is dead. It cannot lock out a ready API server: the port is
    closed by a set element that expires after 5 s and is renewed while the answer is no, so
    whatever happens to this script, the port is open 5 s later. Connections that exist are never
    touched: an API server that is told to stop ends them itself.

    When none is ready (etcd slow everywhere), every gate is open: a slow answer is better than
    none. Each host finds that out by itself. Before it closes its gate, and with each renewal, it
    asks the other API servers, and one clear yes is what it takes. Two that close at once, each
    having just seen the other ready, open again with the next renewal. A balancer's own question
    is reset at another host's closed gate, which is the right answer: nginx does not get through
    there either.
    """
    addresses = [str(spec.hosts[name].address) for name in spec.having(Role.LOAD_BALANCER)]
    others = [name for name in spec.having(Role.CONTROL_PLANE) if name != host]
    addresses += [str(virtual.address) for virtual in spec.virtual_addresses]
    return _GATE.format(
        banner=banner(),
        host=host,
        port=ports.API_SERVER,
        others=" ".join(str(spec.hosts[name].address) for name in others),
        balancers=f"elements = {{ {', '.join(addresses)} }}" if addresses else "",
    )


def gate_unit() -> str:
    """Closed before kubelet can start an API server; open when the unit is stopped.

    The network comes first, as it does for kubelet: the other API servers must be asked.
    """
    return f"""{banner()}[Unit]
Description=keeps balancers from an API server that is not ready
Wants=network-online.target
After=network-online.target
Before={units.KUBELET}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=/bin/sh {paths.GATE_SCRIPT} prepare
ExecStart=/bin/sh {paths.GATE_SCRIPT} watch
ExecStopPost=/bin/sh {paths.GATE_SCRIPT} open
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


# Doubled braces stand for single ones. Exit statuses are curl's: 7 refused, 22 an HTTP error,
# 35 TLS broken off, 52 no answer before the end, 56 reset; 28 is a timeout.
_GATE: Final = """#!/bin/sh
{banner}# {host}: closes port {port} to the balancers while only other API servers are ready.
export NO_PROXY='*' no_proxy='*'
others='{others}'
table='inet kanae_gate'
element='{{ {port} timeout 5s }}'

make() {{
    nft -f - <<RULES
table $table
delete table $table
table $table {{
    set balancers {{
        type ipv4_addr
        {balancers}
    }}
    set closed {{
        type inet_service
        flags timeout
        elements = $element
    }}
    chain input {{
        type filter hook input priority -10; policy accept;
        ip saddr @balancers tcp dport @closed \\
            tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset
    }}
}}
RULES
}}

# Renewed by delete and add in one transaction, since adding alone leaves the old time.
close() {{
    nft -f - 2>/dev/null <<RULES || make
add element $table closed $element
delete element $table closed {{ {port} }}
add element $table closed $element
RULES
}}

open() {{
    nft delete element $table closed '{{ {port} }}' 2>/dev/null
    return 0
}}

ready() {{
    if command -v curl >/dev/null; then
        curl -skf -o /dev/null --max-time 1 "https://$1:{port}/readyz"
        return
    fi
    # Without any name kubectl asks for one. No API server reads it: the question is anonymous.
    KUBECONFIG=/dev/null timeout 2 kubectl --server="https://$1:{port}" --username=anonymous \\
        --cache-dir=/dev/null --insecure-skip-tls-verify get --raw=/readyz >/dev/null 2>&1
    case $? in
    0) return 0 ;;
    124) return 28 ;;
    *) return 22 ;;
    esac
}}

# All are asked at once, so that dead ones hold up the answer only once.
another() {{
    asked=
    for address in $others; do
        ready "$address" &
        asked="$asked $!"
    done
    found=1
    for question in $asked; do
        wait "$question" && found=0
    done
    return $found
}}

case $1 in
prepare) if ! ready 127.0.0.1 && another; then make; fi ;;
open) nft delete table $table 2>/dev/null || true ;;
watch)
    state=
    while :; do
        ready 127.0.0.1
        case $? in
        7 | 22 | 35 | 52 | 56) now=closed ;;
        28) now=${{state:-closed}} ;;
        *) now=open ;;
        esac
        [ "$now" = open ] || another || now=open
        if [ "$now" != "$state" ]; then
            echo "$now"
            [ "$now" = closed ] || open
            state=$now
        fi
        if [ "$state" = closed ]; then
            close
            sleep 0.5
        else
            sleep 1
        fi
    done
    ;;
esac
"""
