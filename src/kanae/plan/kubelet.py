"""kubelet, and the programs that are not of containerd, on a node that has not joined yet."""

from __future__ import annotations

from functools import partial

from kanae.plan import binaries, runtime
from kanae.plan.draft import Draft


def plan(draft: Draft) -> None:
    """They are sent while containerd, whose programs came first, starts and loads images. A node
    that has joined gets them all before anything there changes."""
    for host, build in draft.hosts.items():
        if draft.view.unjoined(host):
            build.beside(draft.at.programs[host], partial(_complete, draft, host))


def _complete(draft: Draft, host: str) -> None:
    build = draft.hosts[host]
    build.deliver("programs", "deliver binaries", binaries.late(draft.view, host))
    build.converge("kubelet", "kubelet", runtime.kubelet_resources(draft.view, host))
