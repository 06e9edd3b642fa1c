"""Ask all hosts at once, one round trip each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from kanae.errors import FactsError, HostError
from kanae.facts.model import Facts, HostFacts, Query
from kanae.facts.parse import parse
from kanae.facts.script import script
from kanae.transport.protocol import Transport


async def gather(
    transports: Mapping[str, Transport],
    queries: Mapping[str, Query],
    *,
    parallel: int = 50,
    timeout: float = 60.0,
) -> Facts:
    """Facts of every host that is in `queries`.

    parallel: hosts asked at the same time. timeout: seconds for one host, hashing of large files
    that were never seen before included. A host that cannot be reached, does not answer in time or
    whose answer makes no sense is in `Facts.unreachable`; nothing is raised for it.
    """
    limit = asyncio.Semaphore(parallel)

    async def one(host: str) -> HostFacts | str:
        async with limit:
            try:
                return await ask(transports[host], queries[host], timeout=timeout)
            except HostError as error:
                return error.message

    answers = dict(zip(queries, await asyncio.gather(*map(one, queries)), strict=True))
    return Facts(
        hosts={h: facts for h, facts in answers.items() if isinstance(facts, HostFacts)},
        unreachable={h: why for h, why in answers.items() if isinstance(why, str)},
    )


async def ask(transport: Transport, query: Query, *, timeout: float = 60.0) -> HostFacts:
    """Facts of one host. An answer that makes no sense, such as that of a file that changed while
    it was read, is asked for once more."""
    try:
        return await _ask(transport, query, timeout)
    except FactsError:
        return await _ask(transport, query, timeout)


async def _ask(transport: Transport, query: Query, timeout: float) -> HostFacts:
    sent_at = time.time()
    done = await transport.run(script(query), timeout=timeout)
    return parse(transport.host, query, done.stdout, sent_at, time.time())
