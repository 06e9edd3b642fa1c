"""A host cut off from all others, both ways or one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from kanae.drills.cluster import reach
from kanae.drills.cluster.power import Direction, PowerCommand
from kanae.drills.cluster.reach import Answer
from kanae.drills.faults.protocol import FaultPlan, Sign, Tools
from kanae.transport.protocol import must

TABLE = "kanae_drill"
_UNIT = "kanae-drill-heal"
# Longer than the drill holds it, for an orchestrator that died meanwhile.
_EXPIRY = 30.0
_SIGN_WITHIN = 10.0
# Port of the host at which this very session has come in: the one that was dialled may have been
# translated on the way. sudo keeps the variable from the script, not from its ancestors.
FIND_PORT = r"""
p=$$
while [ "$p" -gt 1 ]; do
  found=$(tr '\0' '\n' <"/proc/$p/environ" | sed -n 's/^SSH_CONNECTION=.* \([0-9]*\)$/\1/p')
  [ -z "$found" ] || { echo "$found"; break; }
  p=$(sed 's/.*) //' "/proc/$p/stat" | cut -d' ' -f2)
done
"""


def rules(direction: Direction, ssh_ports: Collection[int]) -> str:
    """nft input for one atomic transaction. SSH stays open: it is how the operator keeps control.

    Before every other hook (priority -400), so that no rule of the host or of kube-proxy comes
    first; pods' packets pass through forward.
    """
    chains = {
        "input": (Direction.BOTH, Direction.IN),
        "output": (Direction.BOTH, Direction.OUT),
        "forward": (Direction.BOTH, Direction.IN, Direction.OUT),
    }
    ports = ", ".join(str(port) for port in sorted(ssh_ports))
    lines = [f"table inet {TABLE} {{"]
    for hook, directions in chains.items():
        if direction in directions:
            way = "dport" if hook == "input" else "sport"
            keep = "" if hook == "forward" else f" tcp {way} {{ {ports} }} accept;"
            local = {"input": ' iif "lo" accept;', "output": ' oif "lo" accept;'}.get(hook, "")
            lines.append(
                f"  chain {hook} {{ type filter hook {hook} priority -400;"
                f"{local}{keep} counter drop; }}"
            )
    return "\n".join([*lines, "}", ""])


class Partition:
    """By the lab's switch, or by nftables on the host in a table of its own, which expires."""

    def __init__(self, plan: FaultPlan, tools: Tools) -> None:
        self._plan = plan
        self._tools = tools
        self._ports: dict[str, set[int]] = {}

    def check_safe(self) -> None:
        """Always possible; ends by itself."""

    def _by_switch(self, host: str) -> bool:
        return PowerCommand.PARTITION in self._tools.power.can(host)

    async def prepare(self) -> None:
        for host in self._plan.hosts:
            if not self._by_switch(host):
                own = await must(
                    self._tools.transport(host),
                    f"command -v nft >&2 && command -v systemd-run >&2 || exit\n{FIND_PORT}",
                    command="find nft and systemd-run",
                    remedy="install nftables on the host",
                )
                self._ports[host] = {self._tools.ssh(host)[1], *map(int, own.split())}

    async def inject(self) -> None:
        for host in self._plan.hosts:
            if self._by_switch(host):
                await self._tools.power.partition(host, self._plan.direction)
            else:
                # The expiry first: from here on the host heals itself.
                script = (
                    f"systemd-run -q --collect --unit={_UNIT}"
                    f" --on-active={self._plan.hold + _EXPIRY:.0f}s"
                    f" --timer-property=AccuracySec=1s nft delete table inet {TABLE}"
                    f" && systemctl is-active -q {_UNIT}.timer && exec nft -f -\n"
                )
                await must(
                    self._tools.transport(host),
                    script,
                    stdin=rules(self._plan.direction, self._ports[host]).encode(),
                    command="nft -f - (partition)",
                    timeout=15,
                )

    async def signs(self) -> tuple[Sign, ...]:
        return tuple([await self._sign(host) for host in self._plan.hosts])

    async def _sign(self, host: str) -> Sign:
        if self._by_switch(host):
            address, port = self._tools.ssh(host)
            answer = await reach.until(
                address, frozenset({Answer.SILENT}), port, within=_SIGN_WITHIN
            )
            return Sign("silence", host, answer is Answer.SILENT, f"its SSH port {answer}")
        dropped = await self._dropped(host)
        return Sign("packets dropped", host, dropped > 0, f"{dropped} packets")

    async def _dropped(self, host: str) -> int:
        """Packets dropped so far; waits for the first."""
        script = f"nft list table inet {TABLE} | sed -n 's/.*packets \\([0-9]*\\) .*/\\1/p'\n"
        clock = asyncio.get_running_loop().time
        end = clock() + _SIGN_WITHIN
        while True:
            done = await self._tools.transport(host).run(script, timeout=15)
            dropped = sum(int(word) for word in done.stdout.split())
            if dropped or clock() >= end:
                return dropped
            await asyncio.sleep(0.2)

    async def undo(self) -> None:
        for host in self._plan.hosts:
            if self._by_switch(host):
                await self._tools.power.heal()
            else:
                # The timer goes last: until then it stands in for a connection that breaks.
                script = (
                    f"! nft list table inet {TABLE} >/dev/null 2>&1"
                    f" || nft delete table inet {TABLE} || exit\n"
                    f"systemctl stop {_UNIT}.timer 2>/dev/null; exit 0\n"
                )
                await must(
                    self._tools.transport(host), script, command="nft delete table", timeout=15
                )

    async def signs_after(self) -> tuple[Sign, ...]:
        return ()
