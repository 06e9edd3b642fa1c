"""Every verb, in every form of its output, with everything that was once answered by a traceback:
one paragraph and an exit code."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from kanae import cli
from kanae.errors import LabError, MachineUnfit
from kanae.lab import lab as labs

# Nothing listens at port 9 of this machine.
SPEC = """name: demo
kubernetes: v1.37.2
ssh: {port: 9, connectTimeout: 0.5}
hosts:
  m1: {address: 127.0.0.1, roles: [control-plane, worker]}
  c1: {address: 127.0.0.2, roles: [client]}
"""


def _spec(old: str = "", new: str = "") -> Path:
    assert old in SPEC
    file = Path("cluster.yaml")
    file.write_text(SPEC.replace(old, new, 1) if old else SPEC)
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
    Path(".ssh").mkdir()
    Path(".ssh/known_hosts").write_bytes(b"\xff\xfe\x00 ssh-ed25519 \x80AAAA\n" * 3)


def _binary_ssh_config(_patch: pytest.MonkeyPatch) -> None:
    _spec()
    Path(".ssh").mkdir()
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
# What a verb wants besides its options, and what keeps it from going on for minutes: PORTAL is
# where a captive portal answers.
MIRROR = ("--source", "mirror", "--mirror", "dl.k8s.io=PORTAL")
WORDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("init",): ("new.yaml",),
    ("apply",): ("--yes",),
    ("reset",): ("--yes",),
    ("completion",): ("bash",),
    ("artifacts", "fetch"): ("kubeadm", *MIRROR),
    ("bundle", "create"): ("none/b.tar", *MIRROR),
    ("bundle", "verify"): ("b.tar",),
    ("bundle", "inspect"): ("b.tar",),
    ("drill", "run"): ("power-cut", "cluster.yaml", "--yes"),
    ("drill", "check"): ("history.jsonl",),
    ("lab", "down"): ("demo", "--yes"),
    ("lab", "ssh"): ("m1", "--", "true"),
    **{("lab", verb): ("m1",) for verb in ("power-off", "power-cut", "power-on", "pause")},
    ("lab", "resume"): ("m1",),
    ("lab", "partition"): ("m1",),
}


def _commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    def found(group: click.Group, before: tuple[str, ...]) -> Iterator[Any]:
        ctx = click.Context(group)
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from found(command, (*before, name))
            elif command is not None:
                yield (*before, name), command

    return found(cli.command, ())


def _forms() -> Iterator[tuple[str, ...]]:
    """Every verb's words, with each form of output that it has."""
    for verb, command in _commands():
        outputs = [p for p in command.params if "--output" in p.opts]
        choices = [o.type.choices for o in outputs if isinstance(o.type, click.Choice)]
        words = (*verb, *WORDS.get(verb, ()))
        for choice in choices[0] if choices else [None]:
            yield (*verb, "-o", str(choice), *words[len(verb) :]) if choice else words


FORMS = tuple(_forms())


@contextmanager
def _ended() -> Generator[list[int]]:
    codes: list[int] = []
    try:
        yield codes
        codes.append(0)
    except SystemExit as end:
        codes.append(int(end.code or 0))


@pytest.mark.parametrize("given", INPUTS)
def test_every_verb_in_every_form_ends_in_one_paragraph_and_a_code(
    given: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    portal: str,
) -> None:
    def up(*_: object) -> None:
        raise LabError("no lab is made here")

    monkeypatch.setattr(labs, "up", up)

    def clean(*_: object) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(labs, "clean", clean)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    faults: list[str] = []
    for number, words in enumerate(FORMS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
                patch.setenv(name, str(folder))
            INPUTS[given](patch)
            capsys.readouterr()
            with _ended() as codes:
                cli.main([word.replace("PORTAL", portal) for word in words])
        said = capsys.readouterr()
        line = f"{given}: kanae {' '.join(words)}: {codes} {said.err[-300:]}"
        if "Traceback" in said.out + said.err or codes == [70] or codes == [1]:
            faults.append(line)
        if "\x1b" in said.out or (codes != [0] and not said.err):
            faults.append(line)
        # A program that reads it gets a document, or nothing.
        if said.out and {"json", "yaml"} & set(words):
            _read(said.out, words, faults)
    assert faults == []


def _read(out: str, words: tuple[str, ...], faults: list[str]) -> None:
    from ruamel.yaml import YAML, YAMLError

    try:
        YAML(typ="safe", pure=True).load(out)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
    except YAMLError as error:
        faults.append(f"kanae {' '.join(words)}: {error}")


def test_no_verb_is_left_out() -> None:
    assert {words[0] for words in FORMS} == set(cli.VERBS)
    assert sum("yaml" in words for words in FORMS) > 10
    assert MachineUnfit.exit_code not in {1, 70}
