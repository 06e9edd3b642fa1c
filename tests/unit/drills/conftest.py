"""Local API servers and a prober on loopback, in this process."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from drill_api_server import ApiServer, Store
from drill_bench import Bench
from drill_certificates import Authority
from drill_cluster import Cluster, FilePower


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture(scope="session")
def server_context(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> ssl.SSLContext:
    return authority.server_context(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture
async def server(server_context: ssl.SSLContext) -> AsyncIterator[ApiServer]:
    server = ApiServer(Store(), server_context)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def bench(tmp_path: Path, authority: Authority, server: ApiServer) -> Bench:
    return Bench(tmp_path, authority, server)


@pytest_asyncio.fixture
async def cluster(
    tmp_path: Path, authority: Authority, server_context: ssl.SSLContext
) -> AsyncIterator[Cluster]:
    folder = tmp_path / "power"
    folder.mkdir()
    made = Cluster(tmp_path, authority, server_context, FilePower(folder))
    await made.start()
    yield made
    await made.stop()
