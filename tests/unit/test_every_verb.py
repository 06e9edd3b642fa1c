"""Every verb, in every form of its output, with everything that was once answered by a traceback:
one paragraph and an exit code."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kanae import cli
from kanae.errors import MachineUnfit

from .every_verb import FORMS, SPEC, SSH_CONFIG, faults


def _spec(old: str = "", new: str = "") -> Path:
    assert old in SPEC
    file = Path("cluster.yaml")
    file.write_text(SPEC.replace(old, new, 1) if old else SPEC)
    Path(".ssh").mkdir()
    Path(".ssh/config").write_text(SSH_CONFIG)
    return file


def _sound(_patch: pytest.MonkeyPatch) -> None:
    _spec()


def _no_cache(patch: pytest.MonkeyPatch) -> None:
    _spec()
    Path("full").write_text("a file where a folder should be")
    patch.setenv("XDG_CACHE_HOME", "full")


def _no_state(patch: pytest.MonkeyPatch) -> None:
    _no_cache(patch)
    patch.setenv("XDG_STATE_HOME", str(Path("full").absolute()))


def _no_home(patch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    _spec()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        patch.delenv(name, raising=False)
    patch.setattr("pathlib.Path.home", none)


def _key_of_nobody(_patch: pytest.MonkeyPatch) -> None:
    _spec("{port: 9", "{key: ~no-such-user-here/key, port: 9")


def _binary_known_hosts(patch: pytest.MonkeyPatch) -> None:
    _spec()
    Path(".ssh/known_hosts").write_bytes(b"\xff\xfe\x00 ssh-ed25519 \x80AAAA\n" * 3)


def _binary_ssh_config(_patch: pytest.MonkeyPatch) -> None:
    _spec()
    Path(".ssh/config").write_bytes(b"Host \xff*\n  Port \x80\n")


def _jump(_patch: pytest.MonkeyPatch) -> None:
    _spec("{port: 9", "{jump: 'gate:99999', port: 9")


def _domain_user(_patch: pytest.MonkeyPatch) -> None:
    _spec("[client]}", "[client], ssh: {user: 'CORP\\admin'}}")


def _no_utf8(_patch: pytest.MonkeyPatch) -> None:
    Path("cluster.yaml").write_bytes(SPEC.encode() + b"# \xff\xfe\n")


def _no_spec(_patch: pytest.MonkeyPatch) -> None:
    Path("cluster.yaml").mkdir()


def _no_bundle(_patch: pytest.MonkeyPatch) -> None:
    Path("b.tar").write_bytes(b"\x1f\x8b no tar")
    _spec("ssh:", "artifacts: {source: bundle, bundle: b.tar}\nssh:")


def _no_sizes(_patch: pytest.MonkeyPatch) -> None:
    import tarfile

    index = b'{"format": 1, "kubernetes": "v1.37.2", "entries": [], "blobs": ["sha256:x"]}'
    with tarfile.open("b.tar", "w") as tar:
        info = tarfile.TarInfo("kanae-bundle.json")
        info.size = len(index)
        tar.addfile(info, io.BytesIO(index))
    _spec("ssh:", "artifacts: {source: bundle, bundle: b.tar}\nssh:")


class _Portal(BaseHTTPRequestHandler):
    """What a hotel answers, whatever is asked."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class says so
        pass

    def do_GET(self) -> None:
        body = b"<html><body>Welcome! Please log in.</body></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Portal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


INPUTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "sound": _sound,
    "no cache": _no_cache,
    "no state": _no_state,
    "no home": _no_home,
    "key of nobody": _key_of_nobody,
    "binary known_hosts": _binary_known_hosts,
    "binary ssh_config": _binary_ssh_config,
    "jump port": _jump,
    "user of a domain": _domain_user,
    "no UTF-8": _no_utf8,
    "a folder for a spec": _no_spec,
    "no bundle": _no_bundle,
    "bundle without sizes": _no_sizes,
}


@pytest.mark.parametrize("given", INPUTS)
def test_every_verb_in_every_form_ends_in_one_paragraph_and_a_code(
    given: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    portal: str,
) -> None:
    assert faults(given, INPUTS[given], tmp_path, monkeypatch, capsys, portal=portal) == []


def test_no_verb_is_left_out() -> None:
    assert {words[0] for words in FORMS} == set(cli.VERBS)
    assert sum("yaml" in words for words in FORMS) > 10
    assert MachineUnfit.exit_code not in {1, 70}
