"""Packages of a host's distribution, by its roles."""

from __future__ import annotations

from functools import partial

from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.render import system
from kanae.resources.model import Resource
from kanae.resources.system import Packages


def resources(view: View, host: str) -> tuple[Resource, ...]:
    needs = system.needs(view.spec, host)
    return (Packages(needs, view.base(host).family),) if needs else ()


def plan(draft: Draft) -> None:
    """Beside what kanae brings itself, down to containerd and its images, which need none of them:
    a package manager waits for its lists and disk, and a delivery for the network."""
    for host, build in draft.hosts.items():
        install = partial(build.converge, "packages", "packages", resources(draft.view, host))
        build.beside([draft.at.marked.get(host)], install)
