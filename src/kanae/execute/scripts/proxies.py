"""Where a host's kube-proxy leads to, read from the rules in its kernel.

It gathers changes for `minSyncPeriod` (1 s where nobody said otherwise) and none of its metrics
tells whether a given change is among what it has made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kanae.plan.actions import AwaitProxies
from kanae.render import in_cluster
from kanae.resources.model import quote
from kanae.spec.models import ProxyMode


@dataclass(frozen=True, slots=True)
class _Rules:
    """command: lists the rules, in kube-proxy's image since it runs it. service: a rule that leads
    to a server of the Service's only port. every: what all rules that lead to a server have in
    them, and how ADDRESS:PORT is taken out of that (sed)."""

    command: str
    service: str
    every: str
    taken: str


# How such rules are written: pkg/proxy/nftables/proxier.go (endpointChainName; a chain outlives its
# last use by a second), pkg/proxy/iptables/proxier.go (its writeServiceToEndpointRules).
_SERVICE: Final = f"{in_cluster.NAMESPACE}/{in_cluster.SERVICE}"
_RULES: Final = {
    ProxyMode.NFTABLES: _Rules(
        "nft list table ip kube-proxy",
        f"goto endpoint-[^ ]*-{_SERVICE}/tcp/https__{{address}}/{{port}}[^0-9]",
        "goto endpoint-[^ ]*__[0-9.]*/[0-9]*",
        "s|.*__\\([0-9.]*\\)/|\\1:|",
    ),
    ProxyMode.IPTABLES: _Rules(
        "iptables-save -t nat",
        f'"{_SERVICE}:https -> {{address}}:{{port}}"',
        '-> [0-9.]*:[0-9]*"',
        's|^-> \\(.*\\)"$|\\1|',
    ),
}
_FIND: Final = "id=$(crictl ps -q --state running --name '^kube-proxy$' 2>/dev/null | head -n 1)"


def _listed(rules: _Rules) -> str:
    return (
        f'rules=$(crictl exec -s "$id" {rules.command} 2>&1) || '
        "{ printf '%s' \"$rules\" | tail -n 3; exit 1; }"
    )


def led_elsewhere(action: AwaitProxies) -> str:
    """Whether no rule leads to one of these; prints one that does. A node where kube-proxy does not
    run is not waited for: its rules will stay as they are."""
    rules = _RULES[ProxyMode(action.mode)]
    patterns = [
        rules.service.format(address=address.replace(".", r"\."), port=port)
        for address, port in (each.rsplit(":", 1) for each in action.gone)
    ]
    searched = " ".join(f"-e {quote(pattern)}" for pattern in patterns)
    return f"""{_FIND}
[ -n "$id" ] || exit 0
{_listed(rules)}
found=$(printf '%s\\n' "$rules" | grep -m 1 {searched}) || exit 0
printf '%s' "$found"
exit 1"""


def led_to(mode: ProxyMode) -> str:
    """Print `ADDRESS:PORT` of all that rules for any Service lead to, a line each."""
    rules = _RULES[mode]
    return f"""{_FIND}
[ -n "$id" ] || {{ echo "kube-proxy does not run"; exit 1; }}
{_listed(rules)}
printf '%s\\n' "$rules" | grep -o -e {quote(rules.every)} | sed {quote(rules.taken)} | sort -u"""
