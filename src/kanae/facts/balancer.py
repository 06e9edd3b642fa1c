"""What a balancer host says of its backends: haproxy by its statistics socket, else by asking each
API server's /readyz from there.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from kanae.facts.frame import split
from kanae.layout import ports

# Rows that are of no server.
_WHOLE = frozenset({"FRONTEND", "BACKEND"})
_READY = re.compile(r"(\S+) (\d{3})")


@dataclass(frozen=True, slots=True)
class Backend:
    """name: control-plane host. up: whether it gets connections. state: haproxy's own word with the
    last check's result, or the HTTP status of /readyz."""

    name: str
    up: bool
    state: str


@dataclass(frozen=True, slots=True)
class BalancerQuery:
    """socket: haproxy's statistics socket, None for another balancer. servers: host -> address."""

    socket: str | None
    servers: Mapping[str, IPv4Address]


# perl is part of every Debian; socat and nc come with many nodes.
_HEAD = """\
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
have() {{ command -v "$1" >/dev/null; }}
main() {{
began=$(date +%s.%N)
printf 'kanae-facts 1 %s\\n' "$began"
socket={socket}
if [ -n "$socket" ] && [ -S "$socket" ]; then
printf '#%s haproxy\\n' "$began"
if have socat; then echo 'show stat' | timeout 3 socat - "UNIX-CONNECT:$socket"
elif have nc; then echo 'show stat' | timeout 3 nc -U "$socket"
elif have perl; then
timeout 3 perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => shift) or exit 1;
print $s "show stat\\n"; print while <$s>' "$socket"
fi 2>/dev/null
fi
printf '#%s readyz\\n' "$began"
for server in {servers}; do
if have curl; then
echo "$server $(curl -sk -m 3 -o /dev/null -w '%{{http_code}}' "https://$server:{port}/readyz")"
elif have openssl; then
answer=$(printf 'GET /readyz HTTP/1.1\\r\\nHost: kanae\\r\\nConnection: close\\r\\n\\r\\n' |
timeout 3 openssl s_client -quiet -connect "$server:{port}" 2>/dev/null | head -n 1)
answer=${{answer#* }}
echo "$server ${{answer%% *}}"
fi &
done
wait
printf '#%s end %s\\n' "$began" "$(date +%s.%N)"
}}
main </dev/null
"""


def balancer_script(query: BalancerQuery) -> str:
    return _HEAD.format(
        socket=shlex.quote(query.socket or ""),
        servers=" ".join(map(str, query.servers.values())),
        port=ports.API_SERVER,
    )


def parse_balancer(host: str, query: BalancerQuery, output: bytes) -> tuple[Backend, ...]:
    """Backends in the order of the query; those of which nothing could be learnt are left out."""
    answer = split(host, output)
    ready = {
        match[1]: match[2] for line in answer.lines("readyz") if (match := _READY.fullmatch(line))
    }
    told = _statistics(answer.lines("haproxy"))
    found: list[Backend] = []
    for name, address in query.servers.items():
        if name in told:
            found.append(told[name])
        elif str(address) in ready:
            status = ready[str(address)]
            word = "no answer" if status == "000" else f"/readyz {status}"
            found.append(Backend(name, status == "200", word))
    return tuple(found)


def _statistics(lines: tuple[str, ...]) -> dict[str, Backend]:
    """haproxy's CSV: its first line names the columns, after a number sign.

    Of the backend `api`, which carries the connections; why it gives a server none while its host
    answers is known to `ready`.
    """
    found: dict[str, Backend] = {}
    reasons: dict[str, str] = {}
    try:
        rows = list(csv.DictReader(line.removeprefix("# ") for line in lines if line.strip()))
    except csv.Error:
        return {}
    for row in rows:
        if row.get("pxname") == "ready":
            reasons[row.get("svname") or ""] = row.get("check_status") or ""
    for row in rows:
        name, status = row.get("svname"), row.get("status")
        if row.get("pxname") != "api" or not name or not status or name in _WHOLE:
            continue
        kept = status.startswith("NOLB")
        reason = (reasons.get(name) if kept else None) or row.get("check_status") or ""
        found[name] = Backend(name, status.startswith("UP"), f"{status} {reason}".strip())
    return found
