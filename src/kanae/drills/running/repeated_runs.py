"""Several runs in a row, each begun only when what the one before it broke is whole again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from kanae.drills.cluster.kube import Kube
from kanae.drills.judging.series import SeriesResult, series
from kanae.drills.judging.verdict import Verdict
from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed
from kanae.drills.running.orchestrator import Orchestrator
from kanae.drills.running.run_folder import conclude
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios import safety
from kanae.errors import HostError, KanaeError, Refused
from kanae.facts.model import Facts
from kanae.spec.models import Spec

# Seconds after a run: for what it left short, and for its namespace to be gone.
_WHOLE = 120.0
_CLEARED = 60.0


async def repeat(
    times: int,
    prepare: Callable[[int], Awaitable[Setting]],
    go: Callable[[Setting], Awaitable[Verdict]] = lambda setting: Orchestrator(setting).run(),
) -> SeriesResult:
    """A run that fails, is void or breaks off (then it is void) does not end the series.

    prepare: what the run of a turn (from 0) needs; a KanaeError of it ends the series, and is
    raised when there was no run yet. A single run's own error is raised.
    """
    found: list[Verdict] = []
    for turn in range(times):
        try:
            setting = await prepare(turn)
        except KanaeError as error:
            if not found:
                raise
            return SeriesResult(tuple(found), series(found), error.message)
        try:
            verdict = await go(setting)
        except Refused:
            raise
        except KanaeError as error:
            if times == 1:
                raise
            setting.say(str(error))
            verdict = conclude(setting.folder)
        setting.say(f"{setting.run}: {verdict.result}")
        found.append(verdict)
        if turn + 1 < times:
            kube = Kube.of(setting.routes, setting.credentials)
            if not await cleared(kube, setting.namespace):
                setting.say(f"{setting.namespace} is still being deleted")
    return SeriesResult(tuple(found), series(found))


async def whole_again(
    spec: Spec,
    survey: Callable[[], Awaitable[Facts]],
    before: Sequence[str],
    within: float = _WHOLE,
) -> Facts:
    """Facts of a cluster with no other problems than those of `before`. Raises Refused when it
    does not become so in time (seconds).
    """
    end = time.monotonic() + within
    while True:
        try:
            facts = await survey()
            broken = [p for p in safety.problems(spec, facts) if p not in before]
        except HostError as error:
            broken = [error.message]
        else:
            if not broken:
                return facts
        if time.monotonic() > end:
            raise Refused(f"what a run broke is not whole again: {'; '.join(broken)}")
        await asyncio.sleep(1.0)


async def cleared(kube: Kube, namespace: str) -> bool:
    """Wait until a run's namespace is gone: deleting thousands of objects is work that the next
    run would measure. Its controller only begins after 5 s, so most of it is done before.

    False when that takes too long.
    """
    path = f"/api/v1/namespaces/{namespace}"
    end = time.monotonic() + _CLEARED
    written = f"{path}/configmaps?limit={objects.PAGE}"
    with contextlib.suppress(RequestFailed, ValueError):
        more = "yes"
        while more and time.monotonic() < end:
            answer = await kube.ask("DELETE", written, wanted=frozenset({200}), timeout=_CLEARED)
            more = str(objects.part(objects.decode(answer.body), "metadata").get("continue", ""))
    while time.monotonic() < end:
        with contextlib.suppress(RequestFailed):
            if (await kube.ask("GET", path, wanted=frozenset({200, 404}))).status == 404:
                return True
        await asyncio.sleep(0.5)
    return False
