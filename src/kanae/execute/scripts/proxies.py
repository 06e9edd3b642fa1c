"""Where a host's kube-proxy leads to, read from the rules in its kernel.

It gathers changes for `minSyncPeriod` (1 s where nobody said otherwise) and none of its metrics
tells whether a given change is among what it has made.
"""

from __future__ import annotations

from typing import Final

from kanae.plan.actions import AwaitProxies
from kanae.render import in_cluster
from kanae.resources.model import quote
from kanae.spec.models import ProxyMode

# What lists the rules, in kube-proxy's image since it runs it, and how a rule that leads to a
# server of the Service's only port is written: pkg/proxy/nftables/proxier.go (endpointChainName; a
# chain outlives its last use by a second), pkg/proxy/iptables/proxier.go (its
# writeServiceToEndpointRules).
_SERVICE: Final = f"{in_cluster.NAMESPACE}/{in_cluster.SERVICE}"
_RULES: Final = {
    ProxyMode.NFTABLES: (
        "nft list table ip kube-proxy",
        f"goto endpoint-[^ ]*-{_SERVICE}/tcp/https__{{address}}/{{port}}[^0-9]",
    ),
    ProxyMode.IPTABLES: (
        "iptables-save -t nat",
        f'"{_SERVICE}:https -> {{address}}:{{port}}"',
    ),
}


def led_elsewhere(action: AwaitProxies) -> str:
    """Whether no rule leads to one of these; prints one that does. A node where kube-proxy does not
    run is not waited for: its rules will stay as they are."""
    command, rule = _RULES[ProxyMode(action.mode)]
    patterns = [
        rule.format(address=address.replace(".", r"\."), port=port)
        for address, port in (each.rsplit(":", 1) for each in action.gone)
    ]
    searched = " ".join(f"-e {quote(pattern)}" for pattern in patterns)
    return f"""id=$(crictl ps -q --state running --name '^kube-proxy$' 2>/dev/null | head -n 1)
[ -n "$id" ] || exit 0
rules=$(crictl exec -s "$id" {command} 2>&1) || {{ printf '%s' "$rules" | tail -n 3; exit 1; }}
found=$(printf '%s\\n' "$rules" | grep -m 1 {searched}) || exit 0
printf '%s' "$found"
exit 1"""
