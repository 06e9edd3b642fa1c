"""Every verb, in every form of its output, with hosts that answer: a sound cluster, bare hosts, and
answers that no host should give."""

from __future__ import annotations

import random
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from kanae import cli
from kanae.artifacts import fetch
from kanae.artifacts.model import Artifact
from kanae.errors import ArtifactError
from kanae.facts import gather
from kanae.facts.model import Facts, HostFacts, Query
from kanae.facts.script import script as script_of_facts
from kanae.spec.load import load
from kanae.transport.protocol import Completed, Transport
from kanae.transport.ssh import SshTransport

from ..model.fixtures import ARTIFACTS, Desk
from ..model.simulator import Simulator
from ..model.world import World
from .every_verb import SPEC, ended, faults

# What a host makes of the answer that it should give, or None when it breaks the connection.
Answer = Callable[[bytes], bytes | None]
HUGE = 2**20


class Hosts:
    """Both hosts of the spec are this machine as far as its facts go, and do nothing else: every
    other script ends well and says nothing. folder: what the script of facts may write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: dict[str, bytes] = {}

    def script(self, query: Query) -> str:
        """Kept, since it is the only one that is run."""
        text = script_of_facts(query, str(self._folder))
        if text not in self._answers:
            done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True)
            self._answers[text] = done.stdout
        return text

    def answer(self, script: str) -> bytes:
        return self._answers.get(script, b"")

    def connect(self, patch: pytest.MonkeyPatch, answer: Answer) -> None:
        async def connect(transport: SshTransport) -> None: ...

        async def run(
            transport: SshTransport,
            mark: str,
            script: str,
            timeout: float,
            data: AsyncIterator[bytes] | None = None,
        ) -> Completed:
            said = answer(self.answer(script))
            if said is None:
                raise transport.lost()
            return Completed(0, said, "")

        async def converse(transport: SshTransport, *_: object, **__: object) -> None:
            raise transport.lost()

        def unobtainable(*_: object, **__: object) -> None:
            raise ArtifactError("nothing is downloaded here")

        patch.setattr(SshTransport, "connect", connect)
        patch.setattr(SshTransport, "_run_as", run)
        patch.setattr(SshTransport, "converse", converse)
        patch.setattr(gather, "script", self.script)
        patch.setattr(fetch, "obtain", unobtainable)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    return Hosts(tmp_path_factory.mktemp("state"))


def _noise(size: int) -> bytes:
    return random.Random(0).randbytes(size)


def _no_utf8(answer: bytes) -> bytes:
    """In names, texts and versions, wherever a host may hold any bytes."""
    return answer.replace(b"linux", b"l\xffnux").replace(b"ebian", b"\xe9bian\x80\x1b[31m")


ANSWERS: Mapping[str, Answer] = {
    "this machine": lambda answer: answer,
    "nothing": lambda _: b"",
    "binary": lambda _: _noise(5000),
    "words": lambda _: b"Welcome to the host!\nToday's password is 1234.\n" * 20,
    "truncated": lambda answer: answer[: len(answer) // 2],
    "without its end": lambda answer: answer.rstrip().rpartition(b"\n")[0],
    "binary after its begin": lambda answer: b"\n".join([answer[:40].split(b"\n")[0], _noise(999)]),
    "huge": lambda answer: answer[:-30] + b"y\n" * (HUGE // 2),
    "no UTF-8": _no_utf8,
    "disconnects": lambda _: None,
    "disconnects after facts": lambda answer: answer or None,
}


@pytest.mark.parametrize("given", ANSWERS)
def test_whatever_hosts_answer_every_verb_ends_in_one_paragraph_and_a_code(
    given: str,
    hosts: Hosts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def prepare(patch: pytest.MonkeyPatch) -> None:
        Path("cluster.yaml").write_text(SPEC)
        hosts.connect(patch, ANSWERS[given])

    assert faults(given, prepare, tmp_path, monkeypatch, capsys) == []


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What the hosts of the spec say when it is their cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "cluster.yaml").write_text(SPEC)
    sim = Simulator(World.bare(Desk.of(load(folder / "cluster.yaml"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        sim.converge()
    return sim.world.facts()


def test_on_a_sound_cluster_every_verb_ends_in_one_paragraph_and_a_code(
    hosts: Hosts,
    cluster: Facts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def ask(transport: Transport, _: Query, **__: object) -> HostFacts:
        return cluster.hosts[transport.host]

    def in_the_cache(*_: object, **__: object) -> Mapping[str, Artifact]:
        return ARTIFACTS

    def prepare(patch: pytest.MonkeyPatch) -> None:
        Path("cluster.yaml").write_text(SPEC)
        hosts.connect(patch, ANSWERS["this machine"])
        patch.setattr(gather, "ask", ask)
        patch.setattr(fetch, "lookup", in_the_cache)

    assert faults("sound", prepare, tmp_path, monkeypatch, capsys) == []
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        prepare(patch)
        with ended() as codes:
            cli.main(["plan", "--exit-code"])
        assert codes == [0], capsys.readouterr()
