"""A project without hosts, and what stands in for hosts and operator around it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from kanae.artifacts.progress import Progress, Silent
from kanae.errors import ConnectError
from kanae.execute.events import Event
from kanae.facts.model import Facts, HostFacts
from kanae.operations.project import Project
from kanae.plan.actions import StopNode
from kanae.plan.model import Plan, Step
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet

from ...model.fixtures import V2

SPEC = """
name: demo
kubernetes: v1.37.2
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
  w1: {address: 192.0.2.2, roles: [worker]}
"""


def project(folder: Path) -> Project:
    file = folder / "cluster.yaml"
    file.write_text(SPEC)
    return Project.open(file)


def facts(*hosts: str, marks: Mapping[str, str] | None = None) -> Facts:
    """The named ones of m1 and w1 have answered, the others cannot be reached."""
    answered = {
        host: HostFacts(host, datetime.now(UTC), V2, marks=dict(marks or {})) for host in hosts
    }
    lost = {host: ConnectError(host, "gone") for host in ("m1", "w1") if host not in hosts}
    return Facts(answered, unreachable=lost)


def steps(*titles: str) -> Plan:
    return Plan("demo", tuple(Step(f"m1/x/{t}", "m1", "x", t, StopNode()) for t in titles))


@dataclass
class Desk:
    """Everything that happens, in order. surveys: what the hosts say, one survey after another.
    answers: to each question. held: hosts on which the lease is.
    """

    surveys: list[Facts] = field(default_factory=list[Facts])
    answers: list[bool] = field(default_factory=list[bool])
    inherited: bool = False
    log: list[str] = field(default_factory=list[str])
    shown: list[Plan] = field(default_factory=list[Plan])
    held: set[str] = field(default_factory=set[str])

    def fleet(self) -> type[Fleet]:
        desk = self

        class Connected(Fleet):
            """Nothing is connected for it."""

            def __init__(self, spec: Spec, hosts: Sequence[str] | None = None, **more: Any) -> None:
                super().__init__(spec, hosts, **more)
                desk.log.append("connect, tolerant" if more["tolerant"] else "connect")

            async def __aenter__(self) -> Self:
                return self

        return Connected

    async def survey(self, project: Project, fleet: Fleet) -> Facts:
        self.log.append("survey")
        return self.surveys.pop(0)

    @contextlib.asynccontextmanager
    async def hold(
        self, spec: Spec, fleet: Fleet, run: str, *, break_lease: bool
    ) -> AsyncGenerator[bool]:
        self.log.append("break lease" if break_lease else "lease")
        self.held = set(spec.hosts)
        try:
            yield self.inherited
        finally:
            self.log.append("release")

    async def carry_out(self, project: Project, fleet: Fleet, plan: Plan, *more: object) -> Path:
        self.log.append(f"carry out {', '.join(step.title for step in plan)}")
        return Path("run.jsonl")

    # What follows is a Console.

    def password(self) -> str | None:
        return None

    async def decide(self, plan: Plan, *, again: bool) -> bool:
        self.log.append("ask again" if again else "ask")
        self.shown.append(plan)
        return self.answers.pop(0)

    def waiting(self, what: str) -> None:
        self.log.append("wait")

    @contextlib.contextmanager
    def obtaining(self) -> Generator[Progress]:
        self.log.append("obtain")
        yield Silent()

    @contextlib.contextmanager
    def running(self, plan: Plan) -> Generator[Callable[[Event], None]]:
        raise AssertionError("nothing runs here")
        yield
