"""Collects steps while a plan is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kanae.facts.model import HostFacts
from kanae.plan.actions import Converge, DeliverBinaries, LoadImages
from kanae.plan.model import Action, Change, Plan, Step, Verb
from kanae.resources.artifact import Binary, Image
from kanae.resources.model import Content, Resource
from kanae.resources.unit import Unit


class Builder:
    """Needs that turn out not to be steps (nothing to do there) are given as None and dropped."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._steps: list[Step] = []
        self._notes: list[str] = []

    def add(
        self,
        host: str | None,
        stage: str,
        name: str,
        title: str,
        action: Action,
        *,
        needs: Iterable[str | None] = (),
        changes: Sequence[Change] = (),
        timeout: float = 300.0,
    ) -> str:
        step = Step(
            id=f"{host or 'cluster'}/{stage}/{name}",
            host=host,
            stage=stage,
            title=title,
            action=action,
            needs=tuple(dict.fromkeys(need for need in needs if need is not None)),
            changes=tuple(changes),
            timeout=timeout,
        )
        self._steps.append(step)
        return step.id

    def note(self, text: str) -> None:
        self._notes.append(text)

    def plan(self) -> Plan:
        return Plan(self._cluster, tuple(self._steps), tuple(self._notes))


class HostBuilder:
    """Turns what one host should have into steps, remembering what changes on the way.

    Steps of one host follow each other in the order in which they are added.
    unpack: whether images are unpacked when they are loaded. The host that others wait for does it
    while kubeadm already runs; the others do it while they wait.
    """

    def __init__(
        self, builder: Builder, host: str, facts: HostFacts, *, unpack: bool = True
    ) -> None:
        self._builder = builder
        self._unpack = unpack
        self.host = host
        self.facts = facts
        self.changed: frozenset[str] = frozenset()
        self.last: str | None = None

    def converge(
        self,
        stage: str,
        title: str,
        resources: Sequence[Resource],
        units: Sequence[Unit] = (),
        needs: Iterable[str | None] = (),
    ) -> str | None:
        """A step for those resources that differ; None when all are as they should be.

        units: all units of the host, so that a restart that becomes due is marked in time.
        """
        pending: list[Resource] = []
        changes: list[Change] = []
        new: frozenset[str] = frozenset()
        for resource in resources:
            found = resource.difference(self.facts, self.changed)
            if found is None:
                continue
            pending.append(resource)
            new |= {resource.key}
            self.changed |= {resource.key}
            changes.append(
                Change(Verb(found.verb), resource.kind, resource.name, found.detail, found.diff)
            )
        if not pending:
            return None
        step = self._builder.add(
            self.host,
            stage,
            "converge",
            title,
            self._deed(pending, _marks(units, new)),
            needs=(self.last, *needs),
            changes=changes,
            timeout=900.0,
        )
        self.last = step
        return step

    def _deed(self, resources: Sequence[Resource], marks: tuple[Content, ...]) -> Action:
        binaries = [resource for resource in resources if isinstance(resource, Binary)]
        images = [resource for resource in resources if isinstance(resource, Image)]
        if len(binaries) == len(resources):
            return DeliverBinaries(tuple(binaries), marks)
        if len(images) == len(resources):
            return LoadImages(tuple(images), self._unpack)
        return Converge(tuple(resources), marks)


def _marks(units: Sequence[Unit], changed: frozenset[str]) -> tuple[Content, ...]:
    return tuple(mark for unit in units for mark in unit.marks(changed))
