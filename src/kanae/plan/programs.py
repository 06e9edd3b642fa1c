"""Programs on a host: packages of its distribution, and those that kanae brings, side by side: a
package manager waits for its lists and disk, and a delivery for the network."""

from __future__ import annotations

from functools import partial

from kanae.plan import binaries, system
from kanae.plan.draft import Draft


def plan(draft: Draft) -> None:
    for host, build in draft.hosts.items():
        build.beside(
            partial(system.install, draft, host),
            partial(binaries.deliver, draft, host),
        )
