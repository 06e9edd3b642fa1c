"""Ask all hosts at once, one round trip each."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kanae.errors import FactsError
from kanae.facts.model import Facts, HostFacts, Query
from kanae.facts.parse import parse
from kanae.facts.script import script
from kanae.transport.gather import gather as each
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

    async def one(transport: Transport) -> HostFacts:
        return await ask(transport, queries[transport.host], timeout=timeout)

    answers = await each({host: transports[host] for host in queries}, one, parallel)
    return Facts(
        hosts=answers.done,
        unreachable=answers.failed,
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
