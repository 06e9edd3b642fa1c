"""Which ports of other hosts can be reached, tried for real, before anything listens there.

A host that is to be reached opens the ports for some seconds with a small program (Python's or
Perl's; every Debian has the one, every Red Hat the other), as far as nothing holds them. It ends by
itself, should nobody come to end it. Then all hosts try. TCP connections are closed at once; a
packet with the right word is answered with another word, so that no two can talk for ever. What is
neither TCP nor UDP, such as VRRP, is tried through raw sockets (`facts/port_programs.py`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from kanae.facts.frame import framed, split
from kanae.facts.port_programs import ASK_PERL, ASK_PYTHON, OPEN_PERL, OPEN_PYTHON

# Seconds: how long ports stay open at most; how long a host waits for an answer, which on a busy
# machine includes the start of bash.
OPEN_FOR = 25
PATIENCE = 6


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """protocol: tcp, udp, or ip: then it is no port, and number that of IP's protocol."""

    number: int
    protocol: str

    def __str__(self) -> str:
        kind = "IP protocol" if self.protocol == "ip" else self.protocol.upper()
        return f"{kind} {self.number}"


class Outcome(StrEnum):
    """ANSWERED: it gets there. REFUSED: a packet came back that says no. SILENT: none came back.
    UNROUTED: a router, a firewall or the host itself says that there is no way.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"
    UNROUTED = "unrouted"


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_PROGRAM = """\
for python in python3 /usr/libexec/platform-python; do
if command -v $python >/dev/null; then break; fi
python=
done
perl=
if command -v perl >/dev/null; then perl=perl; fi
"""
_OPEN = """\
held=$(mktemp) || exit
words={words}
begin() {{
env -u KANAE_RUN setsid timeout -k 1 {seconds} "$@" $words </dev/null >"$held" 2>/dev/null &
pid=$!
tries=0
until grep -qx ready "$held" || [ $tries -ge 50 ] || ! kill -0 $pid 2>/dev/null; do
sleep 0.1
tries=$((tries + 1))
done
printf '#%s held\\n' "$began"
cat "$held"
echo "pid $pid"
}}
if [ -n "$python" ]; then begin $python -c {python}
elif [ -n "$perl" ]; then begin $perl -e {perl}
fi
rm -f "$held"
"""
_TRY = """\
if command -v bash >/dev/null; then
printf '#%s tried\\n' "$began"
attempt() {{
kind=$1
shift
said=$(timeout {patience} "$@" "$address" "$port" 2>&1)
status=$?
case $status:$said in
0:*) said=answered ;;
125:*) return ;;
*refused*|*'Protocol not available'*) said=refused ;;
124:*|*'timed out'*) said=silent ;;
*) said=unrouted ;;
esac
echo "$kind $address $port $said"
}}
for way in {ways}; do
port=${{way##*:}} address=${{way#*:}}
address=${{address%:*}}
case $way in
tcp:*) attempt tcp bash -c ': <>"/dev/tcp/$0/$1"' & ;;
udp:*) attempt udp bash -c {udp} & ;;
*) if [ -n "$python" ]; then attempt ip $python -c {python} &
elif [ -n "$perl" ]; then attempt ip $perl -e {perl} &
fi ;;
esac
done
wait
fi
"""
# A packet may be lost: three are sent. bash reads byte by byte, and of a packet that is the first.
_UDP = """\
exec 3<>"/dev/udp/$0/$1"
for i in 1 2 3; do
echo 'kanae?' >&3
if read -r -t 0.9 -N 1 -u 3 answer && [ "$answer" = '!' ]; then exit 0; fi
done
exit 124"""


def open_script(ports: Iterable[Port]) -> str:
    """Opens what nobody holds, and leaves it open for OPEN_FOR seconds or until `close_script`."""
    words = " ".join(f"{port.protocol}:{port.number}" for port in ports)
    body = _OPEN.format(
        words=shlex.quote(words),
        seconds=OPEN_FOR,
        python=shlex.quote(OPEN_PYTHON),
        perl=shlex.quote(OPEN_PERL),
    )
    return framed(_PROGRAM + body)


@dataclass(frozen=True, slots=True)
class Opened:
    """ports: those that are open now; None where there is no program to open any. process: its
    number on the host, "" for none."""

    ports: frozenset[Port] | None
    process: str


def parse_opened(host: str, output: bytes) -> Opened:
    """Raises FactsError for an answer that is cut short."""
    answer = split(host, output)
    words = [line.split() for line in answer.lines("held")]
    process = next((word[1] for word in words if len(word) == 2 and word[1].isdigit()), "")
    if not process:
        return Opened(None, "")
    lines = [line.partition(":") for line in answer.lines("held") if ":" in line]
    return Opened(frozenset(Port(int(n), kind) for kind, _, n in lines if n.isdigit()), process)


def close_script(process: str) -> str:
    """Ends what `open_script` began; nothing, when that process has ended."""
    if not process.isdigit():
        raise ValueError(f"not a process: {process!r}")
    return (
        f"case $(tr '\\0' ' ' </proc/{process}/cmdline 2>/dev/null) in *'kanae?'*)\n"
        f"kill {process}\n"
        f"while [ -e /proc/{process} ]; do sleep 0.05; done ;;\nesac\n"
    )


def try_script(ways: Iterable[tuple[IPv4Address, Port]]) -> str:
    """Every address and port once, all at the same time. Without Python and Perl those of the kind
    ip are left out."""
    words = " ".join(f"{port.protocol}:{address}:{port.number}" for address, port in ways)
    body = _TRY.format(
        ways=words,
        udp=shlex.quote(_UDP),
        python=shlex.quote(ASK_PYTHON),
        perl=shlex.quote(ASK_PERL),
        patience=PATIENCE,
    )
    return framed(_PROGRAM + body)


def parse_tried(host: str, output: bytes) -> Mapping[tuple[str, Port], Outcome] | None:
    """(address, port) -> what came of it; None where there is no bash to try with. Raises
    FactsError for an answer that is cut short."""
    answer = split(host, output)
    if "tried" not in answer.sections:
        return None
    found: dict[tuple[str, Port], Outcome] = {}
    for line in answer.lines("tried"):
        kind, address, number, said = (line.split() + [""] * 4)[:4]
        if number.isdigit() and said in _OUTCOMES:
            found[address, Port(int(number), kind)] = _OUTCOMES[said]
    return found
