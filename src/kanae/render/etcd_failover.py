"""Writes that wait for a leader of etcd that is dead: ended when another leads.

A follower passes a write on to the leader and waits until it comes back committed. When the leader
dies meanwhile, nobody has it any more, and the follower waits for the whole of its request timeout:
5 s and two election timeouts, fixed in the program (ReqTimeout of server/config/config.go,
processInternalRaftRequestOnce of server/etcdserver/v3_server.go). Reads do not: they are asked
anew at every change of leader (requestCurrentIndex of the same file).
"""

from __future__ import annotations

from typing import Final

from kanae.layout import paths, ports, units
from kanae.render.banner import banner
from kanae.spec.models import Spec


def script(spec: Spec) -> str:
    """Ends the connections of clients to the member on this host while they wait for nothing.

    Three things must be true at once:

    - etcd has not answered for half an election timeout. What is asked is /health, which reads by
      way of the leader, so that the question itself waits for one: it is answered when another
      leads, and not later. No election begins without such a silence, but one that is asked for
      (move-leader, a leader that is told to stop).
    - The member has seen another leader come since the last silence, and has one now. A busy host
      that was merely slow has not. A member that has just been started tells nothing by that.
    - Writes wait at the member that do not end: their number (etcd_server_proposals_pending) is not
      0 in three looks. Those that a leader gets are done between two of them, or others would have
      to be there each time. So it is not asked whether the old leader is dead: it may have been
      started again, be cut off from this host only, or stand still with a kernel that answers.

    The clients' requests then fail at once in place of 6 s later, and etcd drops what waited.
    Whether such a write was done is as unknown to a client as it was by etcd's own timeout. Reads
    and watches go on by themselves over new connections, watches from the revision they had.

    bash reads 10 times a second without a process of its own; etcd's metrics, which are long, only
    after a silence.
    """
    timeout = spec.etcd.election_timeout
    return _SCRIPT.format(
        banner=banner(),
        metrics=ports.ETCD_METRICS,
        client=ports.ETCD_CLIENT,
        # A little more than etcd's own request timeout.
        patience=6 + timeout // 500,
        silence=timeout // 20,
        pause=f"{timeout / 6000:.3f}",
    )


def unit() -> str:
    """Nothing needs it: without it writes in flight wait for longer when a leader dies."""
    return f"""{banner()}[Unit]
Description=ends requests to etcd that wait for a dead leader
After=network-online.target {units.ETCD}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/bin/bash {paths.ETCD_FAILOVER_SCRIPT}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


# Doubled braces stand for single ones. `now` is in hundredths of a second since the host's start,
# which no setting of its clock moves.
_SCRIPT: Final = """#!/bin/bash
{banner}# Ends connections of clients to etcd on this host when their writes wait for a dead leader
# and another leads.
export LC_ALL=C
trap '' PIPE
# Nothing ever comes from it: to wait without a process.
exec {{nothing}}<> <(:)

rest() {{ read -rt "$1" -u "$nothing"; }}

clock() {{
    read -r now _ </proc/uptime
    now=$((10#${{now/./}}))
}}

# The answer is to be read from $answer, which the caller closes.
ask() {{
    {{ exec {{answer}}<>/dev/tcp/127.0.0.1/{metrics}; }} 2>/dev/null || return
    printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$1" 2>/dev/null >&"$answer"
    return 0
}}

# A full store is no silence.
health() {{
    status=
    # A member that is started again counts anew, and has none of its clients any more.
    ask '/health?exclude=NOSPACE' || {{ known='' heard=0; return; }}
    read -rt {patience} -u "$answer" _ status _
    exec {{answer}}>&-
}}

look() {{
    leader='' changes='' waiting=''
    ask /metrics || return
    read -r leader changes waiting < <(timeout 2 awk '
        /^etcd_server_has_leader / {{ leader = $2 }}
        /^etcd_server_leader_changes_seen_total / {{ changes = $2 }}
        /^etcd_server_proposals_pending / {{ print leader, changes, $2; exit }}' <&"$answer")
    exec {{answer}}>&-
    [ "$leader" = 1 ]
}}

# Succeeds when another leads, and writes wait that do not end.
stuck() {{
    look && [ "$changes" != "$known" ] || return
    local first=$known
    known=$changes
    [ -n "$first" ] && [ "$waiting" != 0 ] || return
    rest 0.05
    look && [ "$waiting" != 0 ] || return
    rest 0.05
    look && [ "$waiting" != 0 ]
}}

known='' heard=0 ended=-500
while :; do
    health
    clock
    if [ -n "$status" ] && ((now - heard > {silence})) && stuck; then
        clock
        if ((now - ended > 500)); then
            ended=$now
            closed=$(ss -HKtn state established "sport = :{client}" | wc -l)
            echo "$waiting writes wait for a leader that is dead; connections ended: $closed"
        fi
    fi
    clock
    if [ "$status" = 200 ] && [ -n "$known" ]; then
        heard=$now
        rest {pause}
    elif ((now - heard > 200)); then
        rest 0.5
    else
        rest 0.03
    fi
done
"""
