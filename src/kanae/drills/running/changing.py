"""Probers that ask a living cluster while it is changed by one that manages it, into one history.

Nothing is broken here, so there is nothing to put back: what changes the cluster is a caller's own,
and goes to its end even when the prober is lost, which the history then tells.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from kanae.drills.judging import history
from kanae.drills.launching.place import Here, Place
from kanae.drills.launching.process import ProberProcess
from kanae.drills.probing.client import Credentials, Route
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.probing.writing import Writer
from kanae.drills.records import Change, Hashes, Header, Health, Machine, Note, Phase, PhaseName
from kanae.drills.running.run_folder import HISTORY

T = TypeVar("T")
_LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Watched:
    """header: its `zero` is set when the probers start. ways: routes to the API servers, that to
    the endpoint among them. compare: asks etcd's members for their hashes at one revision, at the
    end. problems: what was not whole before. warm_up, steady, after: seconds without a change, the
    first of which are not judged, and after the last change.
    """

    folder: Path
    header: Header
    ways: tuple[Route, ...]
    credentials: Credentials = field(repr=False)
    compare: Callable[[], Awaitable[tuple[int, Mapping[str, int | None]]]]
    problems: tuple[str, ...] = ()
    warm_up: float = 3.0
    steady: float = 5.0
    after: float = 5.0
    place: Place = field(default_factory=Here)

    @property
    def namespace(self) -> str:
        return f"kanae-drill-{self.header.run}"


class Changes:
    """Those of one history, as they are made."""

    def __init__(self, writer: Writer, zero: float, unix: float) -> None:
        self._writer, self._zero, self._unix = writer, zero, unix

    def now(self) -> float:
        """In the history's time."""
        return round(time.monotonic() - self._zero, 6)

    def at(self, unix: float) -> float:
        """Unix time, as journals have it, in the history's."""
        return round(unix - self._unix, 6)

    def record(self, name: str, begin: float, end: float, detail: str = "") -> None:
        """One that has ended. begin, end: in the history's time."""
        self._writer.write(Change(end, name, round(end - begin, 6), detail))
        self.machine()

    async def during(self, name: str, call: Callable[[], Awaitable[T]], detail: str = "") -> T:
        """Make a change; one that fails is recorded too."""
        begin = self.now()
        try:
            return await call()
        finally:
            self.record(name, begin, self.now(), detail)

    def machine(self) -> None:
        self._writer.write(Machine(self.now(), os.cpu_count() or 1, round(os.getloadavg()[0], 2)))

    def phase(self, name: PhaseName) -> None:
        self._writer.write(Phase(self.now(), name))
        self.machine()


@asynccontextmanager
async def watched(given: Watched) -> AsyncGenerator[Changes]:
    """`async with watched(given) as changes: await changes.during("removal", ...)`.

    Afterwards the whole history is in the folder, compressed. Raises CheckFailed when the probers
    cannot reach the cluster, or do not end their workload in order.
    """
    zero, unix = time.monotonic(), time.time()
    path = given.folder / HISTORY
    writer = Writer(path)
    changes = Changes(writer, zero, unix)
    header = replace(given.header, zero=unix, prober=given.place.host)
    config = ProbeConfig(
        history=str(path),
        zero=zero,
        namespace=given.namespace,
        routes=given.ways,
        streams=header.streams,
        credentials=given.credentials,
        deadline=header.deadline,
        longest=_LONGEST,
    )
    try:
        writer.write(header)
        writer.write(Health(changes.now(), "before", given.problems))
        async with ProberProcess(config, given.place, writer) as prober:
            changes.phase("warm-up")
            await asyncio.sleep(given.warm_up)
            changes.phase("steady")
            await asyncio.sleep(given.steady)
            yield changes
            changes.phase("after")
            await asyncio.sleep(given.after)
            await prober.finish()
        revision, hashes = await given.compare()
        writer.write(Hashes(changes.now(), revision, hashes))
    except BaseException as error:
        writer.write(Note(changes.now(), "wrong", f"cut short: {error or type(error).__name__}"))
        raise
    finally:
        writer.close()
        history.compress(path)
