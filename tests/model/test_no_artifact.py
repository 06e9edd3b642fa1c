"""An apply whose artifacts cannot be had ends with 7, before any host is asked to change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Never, Self

import pytest

from kanae.artifacts import bundle
from kanae.artifacts.model import ArtifactSet
from kanae.artifacts.progress import Silent
from kanae.cli import main
from kanae.facts.model import Facts
from kanae.operations import change
from kanae.operations.project import Project
from kanae.verify import gate

from .fixtures import bare

SPEC = """
name: demo
kubernetes: v1.37.2
artifacts: {artifacts}
hosts:
  m1: {{address: 10.0.0.1, roles: [control-plane, worker]}}
"""

MIRRORED = ("dl.k8s.io", "github.com", "registry.k8s.io", "ghcr.io")


class Untouched:
    """A fleet whose hosts are connected; none may be asked for anything."""

    def __init__(self, *args: object, **more: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None: ...

    def __getitem__(self, host: str) -> Never:
        raise AssertionError(f"{host} was asked for something")


@pytest.fixture(autouse=True)
def _hosts_are_bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def survey(project: Project, fleet: object) -> Facts:
        return bare(project.spec)

    async def passes(*args: object, **more: object) -> None: ...

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(change, "Fleet", Untouched)
    monkeypatch.setattr(change, "survey", survey)
    monkeypatch.setattr(gate, "require", passes)


class Nothing(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as in the base

    def do_GET(self) -> None:
        self.send_error(404)


@pytest.fixture
def empty_mirror() -> Iterator[str]:
    """The URL of a web server that has nothing."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Apply with these artifacts, and what it says on standard error."""

    def run(artifacts: str) -> str:
        spec = tmp_path / "cluster.yaml"
        spec.write_text(SPEC.format(artifacts=artifacts))
        with pytest.raises(SystemExit) as ended:
            main(["apply", str(spec), "--yes"])
        out, err = capsys.readouterr()
        assert ended.value.code == 7, err
        assert not out
        assert err.count("error: ") == 1
        assert "remedy: " in err
        return err

    return run


def test_a_mirror_that_has_nothing(refused: Callable[[str], str], empty_mirror: str) -> None:
    told = ", ".join(f"{host}: '{empty_mirror}'" for host in MIRRORED)
    said = refused(f"{{source: mirror, mirror: {{urls: {{{told}}}}}}}")
    assert empty_mirror in said
    assert "404" in said


def test_a_bundle_that_is_not_there(refused: Callable[[str], str], tmp_path: Path) -> None:
    said = refused("{source: bundle, bundle: bundle.tar}")
    assert f"there is no bundle {tmp_path}/bundle.tar" in said


def test_a_bundle_that_is_a_folder(refused: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "bundle.tar").mkdir()
    assert "cannot be read: Is a directory" in refused("{source: bundle, bundle: bundle.tar}")


def test_a_file_that_is_no_bundle(refused: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "bundle.tar").write_text("something else\n" * 100)
    assert "cannot be read as a bundle" in refused("{source: bundle, bundle: bundle.tar}")


def test_a_bundle_that_has_nothing(refused: Callable[[str], str], tmp_path: Path) -> None:
    bundle.create(tmp_path / "bundle.tar", ["v1.37.2"], ArtifactSet([]), Silent())
    said = refused("{source: bundle, bundle: bundle.tar}")
    assert "bundle.tar holds no binary/" in said
