"""The prober on another host: what is shipped, what runs it, and how it hears and is heard."""

from __future__ import annotations

import ast
import asyncio
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from drill_bench import Bench
from drill_local import LocalTransport
from hypothesis import given
from hypothesis import strategies as st

from kanae.drills.launching import parcel
from kanae.drills.launching.clock import Sample, quickest
from kanae.drills.launching.place import Here, LocalConversation, find_python, leave, mark, way_to
from kanae.drills.probing.orders import Output
from kanae.errors import CheckFailed
from kanae.layout.families import RHEL
from kanae.spec.load import loads
from kanae.transport.protocol import Completed, Upload

# All modules that are not of the standard library, and any that come from elsewhere.
LIST = """
import sys
sys.path.insert(0, sys.argv[1])
import kanae.drills.probing.probe
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] not in sys.stdlib_module_names and name != "__main__":
        print(name if module.__file__.startswith(sys.argv[1]) else f"{name} elsewhere")
"""


@dataclass
class Says:
    """A host that answers every script alike."""

    answer: str
    host: str = "client"

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        return Completed(0, self.answer.encode(), "")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError("nothing is uploaded")

    async def close(self) -> None:
        """Nothing is open."""


def names(paths: Iterable[str]) -> set[str]:
    """Of the modules and packages at these paths of an archive."""
    dotted = (path.removesuffix(".py").replace("/", ".") for path in paths)
    return {name.removesuffix(".__init__") for name in dotted}


def test_the_parcel_is_all_that_the_prober_loads_and_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "parcel.zip"
    path.write_bytes(parcel.build())
    listed = subprocess.check_output([sys.executable, "-I", "-S", "-c", LIST, path], text=True)
    loaded = set(listed.splitlines())
    ours = {name for name in loaded if name.partition(".")[0] not in parcel.LIBRARIES}
    assert ours == names(parcel.modules())
    assert set(parcel.LIBRARIES) <= loaded


def test_the_parcel_names_the_licences_of_what_it_carries() -> None:
    with zipfile.ZipFile(io.BytesIO(parcel.build())) as archive:
        for library in parcel.LIBRARIES:
            assert b"MIT License" in archive.read(f"{library}/LICENSE")
        known = {"kanae", *parcel.LIBRARIES}
        assert {name.partition("/")[0] for name in archive.namelist()} == known


def test_the_prober_imports_the_standard_library_itself_and_its_parcel_only() -> None:
    ours = names(parcel.modules())
    allowed = {*sys.stdlib_module_names, *parcel.LIBRARIES}
    for path, text in parcel.modules().items():
        for node in ast.walk(ast.parse(text)):
            wanted = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                wanted = [str(node.module)]
            foreign = [
                each
                for each in wanted
                if each not in ours and each.partition(".")[0] not in allowed
            ]
            assert not foreign, f"{path}: {foreign}"


def test_the_parcel_is_the_same_every_time() -> None:
    first = parcel.build()
    parcel.build.cache_clear()
    assert parcel.build() == first


def pythons(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment in which only these programs are found, besides /bin/sh."""
    for name, script in scripts.items():
        path = folder / name.replace("_", ".")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return {"PATH": str(folder)}


def test_a_newer_python_beside_an_old_one_is_found(tmp_path: Path) -> None:
    env = pythons(
        tmp_path,
        python3="echo 3.9; exit 1",
        python3_11=f'exec {sys.executable} -c "import nothing_of_the_kind"',
        python3_12=f'exec {sys.executable} "$@"',
    )
    done = subprocess.run(["/bin/sh", "-c", parcel.FIND], env=env, capture_output=True, text=True)
    *unfit, fit = done.stdout.splitlines()
    assert unfit == ["unfit python3 3.9", "unfit python3.11 "]
    assert fit.startswith("fit python3.12 3.")


async def test_a_host_without_a_fit_python_is_told_what_to_install() -> None:
    with pytest.raises(CheckFailed, match=r"client: .* there is python3 3\.9") as caught:
        await find_python(Says("unfit python3 3.9\n"), RHEL)
    assert "on client: dnf install python3.12" in caught.value.remedy
    with pytest.raises(CheckFailed, match="there is none"):
        await find_python(Says(""))
    assert await find_python(Says("unfit python3 3.9\nfit python3.12 3.12\n")) == "python3.12"


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1))
def test_the_true_offset_lies_within_the_bound(
    ahead: float, ways: list[tuple[float, float]]
) -> None:
    samples = [Sample(5.0, 5.0 + there + ahead, 5.0 + there + back) for there, back in ways]
    best = quickest(samples)
    assert best.bound == min(sample.bound for sample in samples)
    assert abs(best.offset - ahead) <= best.bound + 1e-6


async def test_a_reader_that_does_not_read_holds_nothing_up() -> None:
    read, write = os.pipe()
    output = Output(write)
    data = os.urandom(1 << 20)
    output.put(data)  # 16 times what a pipe holds
    output.say("end")
    taken = b""
    while not taken.endswith(b"end\n"):
        taken += await asyncio.to_thread(os.read, read, 1 << 16)
    await output.flush(5.0)
    assert taken == data + b"end\n"
    os.close(read)
    output.put(data)
    output.put(data)
    await output.flush(5.0)
    os.close(write)


async def test_a_prober_that_hears_nothing_ends_by_itself(bench: Bench) -> None:
    process = await bench.spawn(silence=1.0)
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.read() == b"ready\nfinished\n"
        await process.wait()
    lines = bench.lines()
    notes = [line["text"] for line in lines if line["k"] == "note" and line["level"] == "wrong"]
    assert notes == ["nothing was heard from the orchestrator for 1 s"]


async def test_what_is_left_of_a_prober_is_ended_and_others_are_not() -> None:
    def start(run: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["env", f"KANAE_RUN={mark(run)}", "sh", "-c", "echo; exec sleep 60"],
            stdout=subprocess.PIPE,
        )

    ours, other = start("r1"), start("r10")
    for each in (ours, other):
        assert each.stdout is not None
        assert each.stdout.readline() == b"\n"
        each.stdout.close()
    await asyncio.gather(leave(LocalTransport(), "r1"), asyncio.to_thread(ours.wait, 20))
    assert other.poll() is None
    other.kill()
    other.wait()
    await leave(LocalTransport(), "r1")


async def test_whoever_closes_a_conversation_leaves_the_exit_status_to_asyncio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def poll(process: subprocess.Popen[bytes]) -> int | None:
        raise AssertionError(f"the exit status of {process.pid} is taken from asyncio's watcher")

    monkeypatch.setattr(subprocess.Popen, "poll", poll)
    # One that lives, and one that has closed its output and ends by itself meanwhile.
    for script, statuses in (("exec cat", {-9}), ("echo; exit 3", {-9, 3})):
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        talk = LocalConversation(process)
        if script != "exec cat":
            assert [await talk.line(), await talk.line()] == [b"", b""]
        async with asyncio.timeout(20):
            await talk.close()
            await talk.close()
        assert process.returncode in statuses


def test_jump_hosts_of_the_spec_are_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "config"
    config.write_text("Host gate\n  HostName 10.0.0.12\n")
    text = f"name: c\nkubernetes: v1.37.2\nssh: {{config: {config}}}\nhosts:\n"
    for number in range(3):
        role = "worker" if number else "control-plane"
        text += f"  m{number}: {{address: 10.0.0.1{number}, roles: [{role}]}}\n"
    text += "  w1: {address: 10.0.0.30, roles: [worker], ssh: {jump: 'root@m1:22,gate'}}\n"
    spec = loads(text, "c.yaml")
    assert way_to(spec, "w1") == ("m1", "m2")
    assert way_to(spec, "m1") == ()


async def test_a_prober_on_this_machine_is_not_given_the_sudo_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KANAE_SUDO_PASSWORD", "hunter22")
    options: dict[str, object] = {}

    async def start(*argv: str, **given: object) -> object:
        options.update(given)
        raise FileNotFoundError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    with pytest.raises(FileNotFoundError):
        await Here().start(1.0)
    assert options["env"] == {k: v for k, v in os.environ.items() if k != "KANAE_SUDO_PASSWORD"}
