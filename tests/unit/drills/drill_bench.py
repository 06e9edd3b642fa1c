"""A prober in this process against one local API server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drill_api_server import ApiServer
from drill_certificates import Authority

from kanae.drills.judging import history
from kanae.drills.probing.client import Route
from kanae.drills.probing.prober import Prober
from kanae.drills.probing.workload import Load, ProbeConfig
from kanae.drills.probing.writing import Writer
from kanae.drills.records import (
    Evidence,
    FaultEvent,
    Hashes,
    Header,
    Health,
    History,
    Phase,
    Record,
    Stream,
)


@dataclass
class Bench:
    """One API server behind no balancer, and a prober that asks it."""

    folder: Path
    authority: Authority
    server: ApiServer
    load: Load = field(default_factory=lambda: Load(period=0.05, kept=2, direct=False))
    deadline: float = 10.0
    further: tuple[Route, ...] = ()  # beside the endpoint

    @property
    def path(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def route(self) -> Route:
        return Route("endpoint", "127.0.0.1", self.server.port, "127.0.0.1")

    def streams(self) -> tuple[Stream, ...]:
        return self.load.streams([self.route, *self.further])

    def record(self, record: Record) -> None:
        writer = Writer(self.path)
        writer.write(record)
        writer.close()

    async def until(self, condition: Callable[[], bool], within: float = 15.0) -> None:
        """Wait for a condition, failing the test after some seconds."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def spawn(
        self, *, deadline: float = 10.0, silence: float = 0.0
    ) -> asyncio.subprocess.Process:
        """The prober as a process of its own, told what to do."""
        config = ProbeConfig(
            history=str(self.path),
            zero=time.monotonic(),
            namespace="drill",
            routes=(self.route,),
            streams=self.streams(),
            credentials=self.authority.credentials(),
            deadline=deadline,
            silence=silence,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kanae.drills.probing.probe",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(config.encode() + b"\n")
        return process

    def lines(self) -> list[dict[str, Any]]:
        """What the history has."""
        return [json.loads(line) for line in self.path.read_bytes().splitlines() if line]

    async def served(self, count: int) -> None:
        """Wait until the server has got so many more requests."""
        wanted = self.server.requests + count
        await self.until(lambda: self.server.requests >= wanted)

    async def measured(self, prober: Prober, count: int) -> None:
        """Wait for so many more requests, and until every stream has had its turn five times."""
        until = prober.now() + 5 * max(stream.period for stream in self.streams())
        await self.served(count)
        await self.until(lambda: prober.now() >= until)

    async def run(self, fault: Callable[[], Awaitable[None]]) -> History:
        """A whole run: some requests, a fault, some requests."""
        zero = time.monotonic()
        config = ProbeConfig(
            history=str(self.path),
            zero=zero,
            namespace="drill",
            routes=(self.route, *self.further),
            streams=self.streams(),
            credentials=self.authority.credentials(),
            deadline=self.deadline,
            grace=1.0,
        )
        validity = {
            "min-requests": 3.0,
            "min-share": 0.3,
            "max-lag-p99": 10.0,
            "max-failed-before": 0.0,
        }
        self.record(
            Header(
                "run",
                "test",
                "c",
                "",
                {},
                "haproxy",
                ("m1",),
                time.time(),
                self.streams(),
                self.deadline,
                {},
                validity,
            )
        )
        prober = Prober(config, Writer(self.path))
        await prober.set_up()
        finish = asyncio.Event()
        task = asyncio.create_task(prober.run(finish))
        self.record(Health(0.0, "before", ()))
        self.record(Phase(prober.now(), "steady"))
        await self.measured(prober, 60)
        self.record(FaultEvent(prober.now(), "inject"))
        await fault()
        self.record(FaultEvent(prober.now(), "injected"))
        self.record(Evidence(prober.now(), "planted", "m1", True, ""))
        await self.measured(prober, 30)
        self.record(Phase(prober.now(), "after"))
        await self.measured(prober, 60)
        finish.set()
        await task
        self.record(Hashes(prober.now(), 1, {"m1": 1}))
        return history.read(self.path)
