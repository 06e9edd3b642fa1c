"""Doing one thing on many hosts and keeping every failure, not only the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kanae.errors import HostError

T = TypeVar("T")
Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """By host, in the order in which the hosts were given."""

    done: dict[str, T] = field(default_factory=dict[str, T])
    failed: dict[str, HostError] = field(default_factory=dict[str, HostError])


async def gather(
    places: Mapping[str, Place], call: Callable[[Place], Awaitable[T]], limit: int
) -> Gathered[T]:
    """Run `call` for every host, `limit` at once. HostErrors are collected; any other error is a
    defect: it ends the rest and is raised."""
    slots = asyncio.Semaphore(limit)

    async def one(place: Place) -> T | HostError:
        async with slots:
            try:
                return await call(place)
            except HostError as error:
                return error

    tasks = {host: asyncio.ensure_future(one(place)) for host, place in places.items()}
    try:
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    result: Gathered[T] = Gathered()
    for host, task in tasks.items():
        value = task.result()
        if isinstance(value, HostError):
            result.failed[host] = value
        else:
            result.done[host] = value
    return result
