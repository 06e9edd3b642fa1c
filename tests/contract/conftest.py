"""A real sshd for each test module that asks for one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from contract_sshd import Sshd, running

from kanae.transport.ssh import SshTransport


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running(tmp_path) as server:
        yield server


@pytest_asyncio.fixture
async def transport(sshd: Sshd) -> AsyncIterator[SshTransport]:
    reached = sshd.transport()
    yield reached
    await reached.close()
