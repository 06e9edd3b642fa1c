"""haproxy: the balancer in front of the API servers, and the node-local one in front of external
etcd.

Values and their measured effect: docs/configuration.md. Directives: haproxy 2.6's
configuration.txt (nothing newer is used: Debian 12 and the RHEL 9 family have 2.4 to 2.6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kanae.facts.model import HostBase
from kanae.layout import paths, ports
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.spec.duration import milliseconds
from kanae.spec.models import Role, Spec

# A connection that the kernel of a host in the same network does not accept in this time is tried
# elsewhere.
_CONNECT_TIMEOUT: Final = "150ms"
# For etcd a little more patience: its clients rarely connect anew, so only checks gain by haste.
_ETCD_CONNECT_TIMEOUT: Final = "200ms"
# A killed etcd ends its connections before its listening socket (a dying process closes its files
# last opened first): for up to 170 ms here, whoever connects anew is let in and thrown out again.
_ETCD_PAUSE: Final = "300ms"
# One failed connection counts as a failed check and brings the next check forward: with traffic a
# host that lost power is left after one connect timeout and one check. Measured: 0.95 s -> 0.4 s.
_OBSERVE: Final = "observe layer4 error-limit 1 on-error sudden-death"
# Whether a host's kernel answers; takes nothing of the API server, and no processor time of it.
_REACHABLE: Final = "inter 250ms fastinter 100ms fall 3 rise 2"
# An API server that has not answered anything for so long stands still.
_SILENCE: Final = "5s"
# Connections to a server that is gone end at once instead of in minutes.
_CUT: Final = "on-marked-down shutdown-sessions"
# Connections of watches and of `kubectl exec` may be silent for hours.
_IDLE: Final = "24h"
# Two descriptors for each connection, and some for checks, listeners and the stats socket.
_SPARE_FILES: Final = 200
_STATE_CONNECTIONS: Final = 50
_MOST_CONNECTIONS: Final = 20000


def balancer(spec: Spec, host: str, base: HostBase, planes: Sequence[str] = ()) -> str:
    """The balancer's configuration for one cluster. planes: the control-plane hosts that it leads
    to, all by default. One that is not there yet is better left out: a server counts as up until
    its first check, and whoever is sent to it meanwhile is thrown out when it is found down.

    The port is bound on every address: the virtual address may then come and go without a
    privilege to bind what is not there (net.ipv4.ip_nonlocal_bind), and the balancer can be asked
    by its own address too. So are ports of former endpoints.

    Who gets new connections and whose connections are cut are two questions:

    - Nothing but the kernel of a server's host can have its connections cut: when that accepts no
      connection (the host is dead, or cut off) or refuses it (nothing listens any more). It answers
      for an API server that is busy, and for one whose etcd is slow.
    - New connections go to servers whose /readyz says ok, in time. When none does, they go to all
      that can be reached: a slow answer is better than none.
    - One that stands still, though its kernel goes on, has answered nothing for 5 to 10 s: its
      connections are cut if another server is ready.

    A server of haproxy has one check, so the backends `ready` and `answering`, which carry no
    connections, ask the API servers, and the check of `api` connects to the host and then asks the
    frontend `state` what these two found. That takes no time, so that it never holds up the next
    look at the host.

    A check of /readyz has `inter` for all of it. A `timeout check` would do harm: with it the TLS
    handshake must be done within `timeout connect`, and a busy API server's is not (seen: a healthy
    one was taken down after checks of 151 and 293 ms). For the check of `api` just that is wanted.
    Checks do not verify the certificate: there is none before the first master is up, and a forged
    answer could only draw connections that clients then verify themselves.
    """
    check = spec.load_balancer.check
    connect = milliseconds(spec.load_balancer.connect_timeout or _CONNECT_TIMEOUT)
    planes = planes or spec.having(Role.CONTROL_PLANE)
    servers = "\n".join(
        f"    server {name} {spec.hosts[name].address}:{ports.API_SERVER}" for name in planes
    )
    states = "\n".join(
        f"""    http-request return status 200 if {{ path /{name} }} {{ srv_is_up(ready/{name}) }}
    http-request return status 500 if {{ path /{name} }} !{{ srv_is_up(answering/{name}) }}"""
        for name in planes
    )
    binds = "\n".join(f"    bind :{port}" for port in spec.balanced_ports)
    most = _connections(base)
    socket = paths.haproxy_state(spec.name)
    return f"""{banner()}global
    description {spec.name}
    node {host}
    log stdout format raw daemon notice
    stats socket {paths.haproxy_socket(spec.name)} mode 600 level admin
    user haproxy
    group haproxy
    maxconn {most}
    # After a reload the old process serves its connections on; API clients renew theirs.
    hard-stop-after 15m

defaults
    mode tcp
    log global
    option dontlognull
    timeout connect {connect}ms
    timeout client {_IDLE}
    timeout server {_IDLE}
    timeout tunnel {_IDLE}
    retries 3
    option redispatch 1
    # Clients that lost power are forgotten after half a minute.
    option clitcpka
    clitcpka-idle 20s
    clitcpka-intvl 3s
    clitcpka-cnt 3

frontend api
{binds}
    # The checks' own connections to `state` have room whatever clients do.
    maxconn {most - _STATE_CONNECTIONS}
    default_backend api

backend api
    balance roundrobin
    timeout check 5s
    option tcp-check
    tcp-check connect
    tcp-check connect addr unix@{socket}
    tcp-check send-lf "GET /%[srv_name] HTTP/1.0\\r\\n\\r\\n"
    tcp-check expect error-status L7OKC ! string "HTTP/1.1 503"
    tcp-check expect string "HTTP/1.1 200"
    default-server check {_REACHABLE} {_OBSERVE} {_CUT}
{servers}

# 200: gets new connections. 503: gets none, and keeps what it has. 500: loses what it has, too.
frontend state
    mode http
    bind unix@{socket} mode 600 user haproxy
    timeout client 5s
    http-request return status 200 if {{ nbsrv(ready) eq 0 }}
{states}
    http-request return status 503

backend ready
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host kanae hdr Connection close
    http-check expect status 200
    default-server check check-ssl verify none inter {milliseconds(check.interval)}ms \
fastinter {milliseconds(check.fast_interval)}ms fall {check.fall} rise {check.rise}
{servers}

backend answering
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /livez/ping ver HTTP/1.1 hdr Host kanae hdr Connection close
    http-check expect rstatus .
    default-server check check-ssl verify none inter {_SILENCE} fall 1 rise 1
{servers}
"""


def bound(text: str) -> frozenset[int]:
    """The ports of a configuration that `balancer` made; none of any other text."""
    return frozenset(map(int, re.findall(r"(?m)^    bind :(\d{1,5})$", text)))


def balancer_unit(spec: Spec, base: HostBase) -> str:
    """The balancer's own unit; the distribution's haproxy.service is left alone."""
    return _unit(
        f"API balancer of the cluster {spec.name}",
        paths.balancer_config(spec.name),
        paths.balancer_pid(spec.name),
        base,
    )


def preferred_members(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Control-plane host -> etcd members in the order in which its API server is to use them.

    First its own where it holds one; hosts without one take the members that fewest others
    prefer. So one dead etcd host makes at most one API server (of three with three members) wait
    for its balancer. The others follow in rotated order, so that those that lost their member
    spread too.
    """
    members = spec.having(Role.ETCD)
    planes = spec.having(Role.CONTROL_PLANE)
    load = {member: int(member in planes) for member in members}
    order: dict[str, tuple[str, ...]] = {}
    for plane in planes:
        first = plane if plane in members else min(members, key=lambda member: load[member])
        load[first] += plane not in members
        at = members.index(first)
        order[plane] = (*members[at:], *members[:at])
    return order


def etcd_balancer(spec: Spec, host: str) -> str:
    """The balancer through which the API server of this host reaches external etcd.

    gRPC's own balancing holds on to a dead member for 10 s; this one leaves it within 1 s. Only
    the first server that is up is used, the others are backups in their order. The check is by
    TCP, which a busy host's kernel still answers: an etcd that is slow must not lose its clients.

    gRPC connects anew at once when a connection ends, and pauses for a second when that fails. So
    a new connection is given a server after a moment only, when a killed member's port is really
    closed. An API server that starts would take 20 s longer by that, and is known by the few
    connections that there are. And connections to the member on this same host are not cut when it
    is down: its kernel ends them, and those that wait for their next try would be cut too.
    """
    preferred, *others = (
        f"    server {name} {spec.hosts[name].address}:{ports.ETCD_CLIENT}"
        + ("" if name == host else f" {_CUT}")
        for name in preferred_members(spec)[host]
    )
    servers = "\n".join([preferred, *(f"{line} backup" for line in others)])
    return f"""{banner()}global
    description {spec.name}-etcd
    node {host}
    log stdout format raw daemon notice
    stats socket {paths.ETCD_BALANCER_SOCKET} mode 600 level admin
    user haproxy
    group haproxy
    # An API server holds some hundred connections, one or two for each kind of object.
    maxconn 1500
    hard-stop-after 15m

defaults
    mode tcp
    log global
    option dontlognull
    timeout connect {_ETCD_CONNECT_TIMEOUT}
    timeout client {_IDLE}
    timeout server {_IDLE}
    timeout tunnel {_IDLE}
    timeout check 400ms
    retries 3
    option redispatch 1

frontend etcd
    bind 127.0.0.1:{ports.ETCD_BALANCER}
    # An API server that starts comes with no connections yet, and opens one after the other.
    stick-table type ip size 1 store gpc0_rate(5s)
    tcp-request connection track-sc0 src
    tcp-request connection sc-inc-gpc0(0) if {{ fe_conn le 5 }} or {{ sc0_gpc0_rate gt 0 }}
    tcp-request inspect-delay {_ETCD_PAUSE}
    tcp-request content accept if {{ sc0_gpc0_rate gt 0 }} or WAIT_END
    default_backend etcd

backend etcd
    option tcp-check
    default-server check inter 500ms fastinter 200ms fall 2 rise 2 \
{_OBSERVE}
{servers}
"""


def etcd_balancer_unit(base: HostBase) -> str:
    """Of its own, so that it does not collide with an API balancer on the same host."""
    return _unit(
        "balancer to the members of etcd for this host's API server",
        paths.ETCD_BALANCER_CONFIG,
        paths.ETCD_BALANCER_PID,
        base,
    )


def _connections(base: HostBase) -> int:
    """As many as open files allow: haproxy does not start when it cannot have all it asks for."""
    return max(100, min(_MOST_CONNECTIONS, (base.hard_nofile - _SPARE_FILES) // 2))


def _unit(description: str, config: str, pid: str, base: HostBase) -> str:
    program = base.family.path(Need.HAPROXY)
    files = min(2 * _MOST_CONNECTIONS + _SPARE_FILES, base.hard_nofile)
    return f"""{banner()}[Unit]
Description={description}
Documentation=man:haproxy(1)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre={program} -c -q -f {config}
ExecStart={program} -Ws -f {config} -p {pid}
ExecReload={program} -c -q -f {config}
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
Restart=always
RestartSec=100ms
SuccessExitStatus=143
LimitNOFILE={files}

[Install]
WantedBy=multi-user.target
"""
