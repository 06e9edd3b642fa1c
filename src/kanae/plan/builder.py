"""Collects steps while a plan is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from kanae.facts.model import HostFacts
from kanae.plan.actions import Converge, DeliverBinaries, LoadImages
from kanae.plan.model import Action, Change, Plan, Step, Verb
from kanae.resources.artifact import Binary, Image
from kanae.resources.model import Content, Resource
from kanae.resources.unit import Unit

Needs = Iterable[str | None]
R = TypeVar("R", bound=Resource)


class Builder:
    """Needs that turn out not to be steps (nothing to do there) are given as None and dropped."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._steps: list[Step] = []
        self._notes: list[str] = []
        self._removes: list[str] = []

    def add(
        self,
        host: str | None,
        stage: str,
        name: str,
        title: str,
        action: Action,
        *,
        needs: Needs = (),
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

    def remove(self, host: str) -> None:
        """Say that a host is taken out of the cluster."""
        self._removes.append(host)

    def plan(self) -> Plan:
        return Plan(self._cluster, tuple(self._steps), tuple(self._notes), tuple(self._removes))


class HostBuilder:
    """Turns what one host should have into steps, remembering what changes on the way.

    Steps of one host follow each other in the order in which they are added, but for `beside`.
    last: those that the next one waits for. units: all units of the host, so that a restart that
    becomes due is marked in time.
    """

    def __init__(
        self, builder: Builder, host: str, facts: HostFacts, units: Sequence[Unit]
    ) -> None:
        self._builder = builder
        self._units = units
        self.host = host
        self.facts = facts
        self.changed: frozenset[str] = frozenset()
        self.last: tuple[str, ...] = ()

    def beside(self, before: Needs, work: Callable[[], object]) -> None:
        """What `work` adds waits for `before` and not for what was added since; what follows waits
        for both."""
        start = tuple(step for step in before if step is not None)
        ends, self.last = self.last, start
        work()
        both = dict.fromkeys((*ends, *self.last))
        self.last = tuple(each for each in both if each not in start) or start

    def differs(self, resources: Iterable[Resource]) -> bool:
        """Whether a step for these would have something to do."""
        return any(each.difference(self.facts, self.changed) is not None for each in resources)

    def converge(
        self, stage: str, title: str, resources: Sequence[Resource], needs: Needs = ()
    ) -> str | None:
        """A step for those resources that differ; None when all are as they should be."""
        return self._step(stage, title, resources, needs, Converge)

    def deliver(
        self, stage: str, title: str, binaries: Sequence[Binary], needs: Needs = ()
    ) -> str | None:
        """The same for binaries, which are sent to the host."""
        return self._step(stage, title, binaries, needs, DeliverBinaries)

    def load(self, stage: str, title: str, images: Sequence[Image], *, unpack: bool) -> str | None:
        """The same for images, which containerd imports. unpack: at once."""

        def action(wanted: tuple[Image, ...], _: tuple[Content, ...]) -> Action:
            return LoadImages(wanted, unpack)

        return self._step(stage, title, images, (), action)

    def _step(
        self,
        stage: str,
        title: str,
        resources: Sequence[R],
        needs: Needs,
        action: Callable[[tuple[R, ...], tuple[Content, ...]], Action],
    ) -> str | None:
        pending: list[R] = []
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
        marks = tuple(mark for unit in self._units for mark in unit.marks(new))
        step = self._builder.add(
            self.host,
            stage,
            "converge",
            title,
            action(tuple(pending), marks),
            needs=(*self.last, *needs),
            changes=changes,
            timeout=900.0,
        )
        self.last = (step,)
        return step
