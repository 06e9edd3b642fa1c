"""What nginx lacks on a balancer host: questions to the API servers, whether they still move.

The kernel of a host that stands still goes on: it accepts connections and acknowledges what is
sent, so neither nginx nor any setting of TCP can tell. Values and why: docs/configuration.md.
"""

from __future__ import annotations

from typing import Final

from kanae.facts.model import HostBase
from kanae.layout import paths, ports, units
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.spec.models import Role, Spec


def script(spec: Spec, base: HostBase) -> str:
    """Keeps nginx from an API server that stands still while another one answers.

    To stand still is to leave a question without any answer for 1.5 s, while nothing came on any of
    this host's connections to it either: a busy one is slow to answer, and goes on with the rest.
    Whatever it answers, 500 as well, is an answer: whether it is ready is for the gate to say.

    nginx's packets to it are answered by resets from this host's own kernel, so that a new
    connection goes on to the next server at once and kept ones end. nginx's configuration and its
    processes are not touched. By a set element that expires after 5 s and is renewed while the
    server stands still, so whatever happens to this script, nginx gets through 5 s later; and one
    that answers again comes back within that time, and cannot come and go faster. The only one that
    answers comes back at once, and when none answers all do.
    """
    return _SCRIPT.format(
        banner=banner(),
        cluster=spec.name,
        table=f"inet kanae_watch_{spec.name}",
        user=base.family.supplies[Need.NGINX].user,
        port=ports.API_SERVER,
        masters=" ".join(str(spec.hosts[name].address) for name in spec.having(Role.CONTROL_PLANE)),
    )


def unit(spec: Spec) -> str:
    command = f"/bin/sh {paths.watch_script(spec.name)}"
    return f"""{banner()}[Unit]
Description=keeps nginx from API servers of the cluster {spec.name} that stand still
Wants=network-online.target
After=network-online.target {units.balancer(spec.name)}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command} watch
ExecStopPost={command} open
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


# Doubled braces stand for single ones. Exit codes are curl's: 0 any answer, 28 none in time. One
# process asks all of them: starting it is most of what a question costs.
_SCRIPT: Final = """#!/bin/sh
{banner}# Of the cluster {cluster}: resets nginx's connections to an API server that stands still.
export NO_PROXY='*' no_proxy='*'
masters='{masters}'
table='{table}'

ask() {{
    set -- $masters
    all=$(IFS=,; echo "$*")
    curl -Zsk -o /dev/null --max-time 1.5 -w '%{{url_effective}} %{{exitcode}} ' \\
        "https://{{$all}}:{port}/livez/ping" 2>/dev/null
}}

make() {{
    nft -f - <<RULES
table $table
delete table $table
table $table {{
    set still {{
        type ipv4_addr
        flags timeout
        elements = {{ $1 timeout 5s }}
    }}
    chain output {{
        type filter hook output priority -10; policy accept;
        meta skuid {user} ip daddr @still tcp dport {port} \\
            tcp flags & rst == 0 reject with tcp reset
    }}
}}
RULES
}}

# Renewed by delete and add in one transaction, since adding alone leaves the old time. Connections
# on which nobody sends anything end at once where the kernel can end them, else by keepalive.
shut() {{
    nft -f - 2>/dev/null <<RULES || make "$1"
add element $table still {{ $1 timeout 5s }}
delete element $table still {{ $1 }}
add element $table still {{ $1 timeout 5s }}
RULES
    ss -Kt dst "$1:{port}" >/dev/null 2>&1
}}

admit() {{
    nft delete element $table still "{{ $1 }}" 2>/dev/null
    return 0
}}

open() {{
    nft delete table $table 2>/dev/null
    return 0
}}

# Whether nothing came from it in the last 1.2 s. A connection on which something came this very
# millisecond has no lastrcv.
mute() {{
    ! ss -Htin state established dst "$1:{port}" 2>/dev/null | sed -n '
        s/.*bytes_received:[0-9].* lastrcv:\\([0-9]*\\).*/\\1/p
        t
        s/.*bytes_received:[0-9].*/0/p' | grep -qE '^([0-9]{{1,3}}|1[01][0-9]{{2}})$'
}}

# One that was still is so until it answers: it may be refused or out of reach meanwhile.
still() {{
    case $answers in
    *"//$1:{port}/livez/ping 0 "*) return 1 ;;
    *"//$1:{port}/livez/ping 28 "*) if mute "$1"; then return 0; fi ;;
    esac
    case $was in *" $1 "*) return 0 ;; esac
    return 1
}}

case $1 in
open) open ;;
watch)
    was=' '
    while :; do
        answers=" $(ask)"
        now=' '
        case $answers in
        *' 0 '*)
            # The only one that answers may be one that was left until now.
            case $answers in *' 0 '*' 0 '*) only= ;; *) only=y ;; esac
            for address in $masters; do
                if still "$address"; then
                    shut "$address"
                    now="$now$address "
                elif [ "$only" ]; then
                    admit "$address"
                fi
            done
            ;;
        *) [ "$was" = ' ' ] || open ;;
        esac
        [ "$now" = "$was" ] || echo "standing still:$now"
        was=$now
        sleep 0.7
    done
    ;;
esac
"""
