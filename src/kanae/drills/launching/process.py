"""The prober's process as its orchestrator sees it: started, told, listened to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from kanae.drills.launching.clock import Sample, quickest
from kanae.drills.launching.place import Place
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.probing.writing import Writer
from kanae.drills.records import Clock
from kanae.errors import CheckFailed, HostError, KanaeError
from kanae.transport.conversation import Conversation

_READY = 60.0
# Outstanding requests, the last write, watches and read-backs each have their own bound.
_FINISH = 300.0
# An interrupted prober still reads back and deletes its namespace.
_END = 60.0
# A prober on another host hears a ping every second. Longer than a lost connection takes to be
# noticed here (see KEEPALIVE), so that it does not end before the run is called void.
_BEAT = 1.0
_SILENCE = 20.0
_PINGS = 25
_BETWEEN = 0.02
_PONG = 2.0


class ProberLost(CheckFailed):
    """It ended, or was lost sight of, before the run was over: the run is void."""


class ProberProcess:
    """`async with ProberProcess(config, place, writer) as prober: ...; await prober.finish()`.

    config: as for a prober on this machine. writer: of the history, for what one elsewhere says.
    """

    def __init__(self, config: ProbeConfig, place: Place, writer: Writer) -> None:
        self._config = config
        self._place = place
        self._writer = writer
        self._talk: Conversation | None = None
        self._words: asyncio.Queue[str] = asyncio.Queue()
        self._pongs: dict[str, asyncio.Future[tuple[float, float]]] = {}
        self._ended = asyncio.Event()
        self._failure: KanaeError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ahead = 0.0

    async def __aenter__(self) -> Self:
        """Raises CheckFailed when the workload cannot be set up."""
        self._talk = await self._place.start(self._config.longest)
        self._tasks.append(asyncio.create_task(self._read(self._talk)))
        try:
            config = self._config
            if self._place.host:
                config = await self._set_clock()
                self._tasks.append(asyncio.create_task(self._beat()))
            await self._tell(config.encode())
            said = await self._hear(_READY)
            if said != "ready":
                raise self._lost() if self._failure else self._unable(said)
        except BaseException:
            await self._end()
            raise
        return self

    def _unable(self, said: str) -> CheckFailed:
        where = self._place.host or "this machine"
        return CheckFailed(
            f"the probers cannot reach the cluster: {said or self._why()}",
            remedy=f"is the endpoint reachable from {where}? see `kanae status SPEC`",
        )

    async def _tell(self, line: bytes) -> None:
        if self._talk is not None:
            await self._talk.send(line + b"\n")

    async def _read(self, talk: Conversation) -> None:
        try:
            while line := await talk.line():
                word, _, rest = line.partition(b" ")
                if line.startswith(b"{"):
                    self._writer.append(line + b"\n")
                elif word == b"pong":
                    self._pong(*rest.decode().split())
                else:
                    self._words.put_nowait(line.decode())
        except HostError as error:
            self._failure = error
        except OSError as error:
            self._failure = CheckFailed(f"{self._writer.path}: {error.strerror or error}")
        finally:
            self._ended.set()
            self._words.put_nowait("")
            for waiting in self._pongs.values():
                waiting.cancel()

    # Its clock

    async def _ping(self, word: str, within: float) -> Sample:
        """Raises TimeoutError."""
        answer: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._pongs[word] = answer
        sent = time.monotonic()
        try:
            await self._tell(f"ping {word}".encode())
            async with asyncio.timeout(within):
                there, heard = await answer
        except asyncio.CancelledError:
            if self._ended.is_set():
                raise self._lost() from None
            raise
        finally:
            del self._pongs[word]
        return Sample(sent, there, heard)

    def _pong(self, word: str, there: str) -> None:
        waiting = self._pongs.get(word)
        if waiting is not None and not waiting.done():
            waiting.set_result((float(there), time.monotonic()))

    async def _measure(self, when: Literal["before", "after"]) -> Sample:
        found: list[Sample] = []
        for number in range(_PINGS):
            with contextlib.suppress(TimeoutError):
                found.append(await self._ping(f"{when}-{number}", _PONG))
            await asyncio.sleep(_BETWEEN)
        if not found:
            raise CheckFailed(f"the prober on {self._place.host} does not answer")
        best = quickest(found)
        if when == "before":
            self._ahead = best.offset
        self._writer.write(
            Clock(
                at=round(time.monotonic() - self._config.zero, 6),
                when=when,
                host=self._place.host,
                ahead=best.offset,
                offset=round(best.offset - self._ahead, 6),
                bound=round(best.bound, 6),
                samples=len(found),
            )
        )
        return best

    async def _set_clock(self) -> ProbeConfig:
        """The configuration for a prober elsewhere: its clock's value at the history's zero."""
        try:
            await self._ping("start", _READY)
        except TimeoutError:
            raise CheckFailed(
                f"the prober on {self._place.host} did not start within {_READY:g} s"
            ) from None
        best = await self._measure("before")
        zero = self._config.zero + best.offset
        return replace(self._config, history="", zero=zero, silence=_SILENCE)

    async def _beat(self) -> None:
        while not self._ended.is_set():
            await self._tell(b"ping beat")
            await asyncio.sleep(_BEAT)

    # Its end

    def _why(self) -> str:
        said = "" if self._talk is None else " ".join(self._talk.errors.split())[-300:]
        return self._failure.message if self._failure else said or "it ended by itself"

    def _lost(self) -> ProberLost:
        where = f" on {self._place.host}" if self._place.host else ""
        return ProberLost(
            f"the prober{where} was lost: {self._why()}",
            remedy="the history so far can be read with `kanae drill check FILE`",
        )

    async def _hear(self, within: float) -> str:
        """The next word it says; "" when it has ended."""
        try:
            async with asyncio.timeout(within):
                return await self._words.get()
        except TimeoutError:
            return f"no word within {within:g} s"

    async def watch(self) -> None:
        """Raises ProberLost once it has ended; until then it never returns."""
        await self._ended.wait()
        raise self._lost()

    async def finish(self) -> None:
        """Stop the workload, and wait until it has read everything back. Raises CheckFailed."""
        if self._place.host:
            await self._measure("after")
        await self._tell(b"finish")
        said = await self._hear(_FINISH)
        if not said:
            raise self._lost()
        if said != "finished":
            raise CheckFailed(
                f"the prober did not finish: {said}",
                remedy="the history so far can be read with `kanae drill check FILE`",
            )

    async def _end(self) -> None:
        if self._talk is None:
            return
        self._talk.close_input()
        try:
            async with asyncio.timeout(_END):
                await self._ended.wait()
        except TimeoutError:
            with contextlib.suppress(HostError):
                await self._place.give_up()
        await self._talk.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()
