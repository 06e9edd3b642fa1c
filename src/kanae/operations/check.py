"""All findings of all hosts, without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from kanae.facts.model import Facts
from kanae.operations.artifacts import unobtainable
from kanae.operations.project import Project
from kanae.operations.survey import arches
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet
from kanae.verify.gate import inspect
from kanae.verify.model import Finding, Subject
from kanae.verify.run import judge


@dataclass(frozen=True, slots=True)
class Checked:
    """subject: what was looked at. findings: of it, errors first."""

    subject: Subject
    findings: tuple[Finding, ...]


async def check(
    project: Project,
    ignored: Collection[str],
    password: Callable[[], str | None],
    host_keys: HostKeys | None = None,
    *,
    upgrade: bool = False,
) -> Checked:
    """Hosts that cannot be reached are among the findings.

    ignored: ids of checks to leave out; UsageError for one that does not exist. host_keys: see
    `Fleet`. upgrade: look also for what may stand in the way of one.
    """
    judge(Subject(project.spec, Facts({})), ignored)  # refuses those before hosts are asked
    async with Fleet(project.spec, password=password, tolerant=True, host_keys=host_keys) as fleet:
        seen = await inspect(project.spec, fleet, upgrade=upgrade)
    missing = await asyncio.to_thread(unobtainable, project, arches(seen.facts))
    subject = replace(seen, missing_artifacts=missing)
    return Checked(subject, judge(subject, ignored))
