"""Whether a balancer has handed its clients over."""

from __future__ import annotations

from kanae.plan.actions import AwaitHandOver
from kanae.resources.model import quote


def ended(action: AwaitHandOver) -> str:
    """Prints how many connections are left while it has not."""
    addresses = " or ".join(f"src {each}" for each in action.addresses)
    ports = " or ".join(f"sport = :{each}" for each in action.ports)
    return f"""systemctl is-active -q {quote(action.unit)} || exit 0
left=$(ss -Htn state connected '( {addresses} ) and ( {ports} )' 2>/dev/null | wc -l)
printf '%s connections' "$left"
exit 1"""
