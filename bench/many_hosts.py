"""`kanae apply` with nothing to do on 200 simulated hosts: wall seconds and memory.

First the reference cluster is built in a lab (or the living one of --spec is asked, nothing more)
and each host's answer to the script of facts is recorded. Then bench/simulated_hosts.py plays its
hosts and as many copies of its worker as are lacking, under other names and addresses, their Node
objects included. kanae itself is whole and unchanged: 200 SSH connections with key exchange and
authentication, 200 scripts sent, 200 answers read, one plan for all, found to be empty. Not real is
the hosts' own work (their shells run nothing) and the network between. The servers take the other
core of a two-core machine, and part of this one.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from figures import Figure, table
from kanae.facts.frame import Answer, split
from kanae.facts.http import responses
from kanae.facts.parse_files import parse_files
from kanae.facts.script import script
from kanae.lab.keys import generate
from kanae.operations.project import Project
from kanae.spec.models import Role
from kanae.transport.fleet import Fleet
from noop import cluster
from simulated_hosts import CLOCK, PORT

SERVERS = Path(__file__).with_name("simulated_hosts.py")


async def record(project: Project) -> dict[str, Answer]:
    """What every host of a living cluster answers to the script of facts."""
    asked = project.queries()
    async with Fleet(project.spec) as fleet:

        async def ask(host: str) -> Answer:
            text = script(asked[host])
            return split(host, (await fleet[host].run(text, timeout=60)).stdout)

        return {host: await ask(host) for host in fleet}


def written(answer: Answer, sections: Mapping[str, Sequence[str]]) -> bytes:
    """An answer as a host sends it, with a place for the clock."""
    clock = CLOCK.decode()
    lines = [f"kanae-facts 1 {clock}"]
    for name in answer.sections:
        lines += [f"#{clock} {name}", *sections.get(name, answer.lines(name))]
    return "\n".join([*lines, f"#{clock} end {clock}", ""]).encode("utf-8", "surrogateescape")


class Renaming:
    """Puts another name and address in place of the worker's, wherever they stand alone."""

    def __init__(self, name: str, address: str, new_name: str, new_address: str) -> None:
        self._pairs = [
            (re.compile(rf"(?<![\w.]){re.escape(old)}(?![\w])"), new)
            for old, new in ((name, new_name), (address, new_address))
        ]

    def __call__(self, text: str) -> str:
        for pattern, new in self._pairs:
            text = pattern.sub(new, text)
        return text


def renamed(answer: Answer, rename: Renaming) -> bytes:
    """The worker's answer as another worker would give it: sizes and hashes fit the new texts."""
    texts = {path: fact.text for path, fact in parse_files(answer).items() if fact.text is not None}
    new = {path: rename(text).encode() for path, text in texts.items()}
    lines: list[str] = []
    shown: list[bytes] = []
    for line in answer.lines("files"):
        path = line[line.index("/") :] if "/" in line else ""
        if path in new and line.startswith("S "):
            words = line.split(" ")
            words[3] = str(len(new[path]))
            line = " ".join(words)
        elif path in new and line.startswith("T "):
            shown.append(new[path])
        elif path in new:
            line = f"{hashlib.sha256(new[path]).hexdigest()}  {path}"
        lines.append(line)
    sections: dict[str, Sequence[str]] = {
        name: [rename(line) for line in answer.lines(name)]
        for name in ("files-of-base", "addresses")
    }
    stream = base64.encodebytes(b"".join(shown)).decode().splitlines()
    return written(answer, sections | {"files": lines, "texts": stream})


def with_nodes(answer: Answer, worker: str, renamings: Sequence[Renaming]) -> bytes:
    """A control-plane host's answer with a Node object for each copy of the worker."""
    if "answer api" not in answer.sections:
        raise SystemExit(f"{answer.host} did not answer about its API")
    told = responses(answer.decoded("answer api"))
    stream = b""
    for number, response in enumerate(told):
        body = response.body
        if number == 1:  # health, nodes, objects: see kanae.facts.script
            listing = json.loads(body)
            model = next(n for n in listing["items"] if n["metadata"]["name"] == worker)
            text = json.dumps(model)
            listing["items"] += [json.loads(rename(text)) for rename in renamings]
            body = json.dumps(listing).encode()
        stream += b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (response.status, len(body))
        stream += body
    return written(answer, {"answer api": base64.encodebytes(stream).decode().splitlines()})


def prepare(spec: Path, count: int, folder: Path) -> Path:
    """Everything that servers and kanae need; the spec of all hosts is returned."""
    project = Project.open(spec)
    recorded = asyncio.run(record(project))
    hosts = project.spec.hosts
    worker = next(host for host in hosts if set(hosts[host].roles) == {Role.WORKER})
    address = str(hosts[worker].address)
    prefix = address.rpartition(".")[0]
    copies = {f"copy{n}": f"{prefix}.{19 + n}" for n in range(1, count - len(hosts) + 1)}
    renamings = [Renaming(worker, address, *copied) for copied in copies.items()]
    answers = folder / "answers"
    answers.mkdir()
    for name, answer in recorded.items():
        master = Role.CONTROL_PLANE in hosts[name].roles
        text = with_nodes(answer, worker, renamings) if master else written(answer, {})
        (answers / name).write_bytes(text)
    for name, rename in zip(copies, renamings, strict=True):
        (answers / name).write_bytes(renamed(recorded[worker], rename))
    lines = spec.read_text().splitlines()
    model = next(n for n, line in enumerate(lines) if line.strip().startswith(f"{worker}:"))
    lines[model + 1 : model + 1] = [
        f"  {name}: {{address: {where}, roles: [worker]}}" for name, where in copies.items()
    ]
    _ssh(folder, [*hosts, *copies])
    path = folder / "many.yaml"
    path.write_text("\n".join([*lines, f"ssh: {{config: {folder}/ssh_config}}", ""]))
    return path


def _ssh(folder: Path, names: Sequence[str]) -> None:
    listening = {name: f"127.1.{n // 250}.{n % 250 + 1}" for n, name in enumerate(names)}
    (folder / "hosts.json").write_text(json.dumps(listening))
    for name in ("host_key", "operator"):
        pair = generate()
        (folder / name).touch(0o600)
        (folder / name).write_text(pair.private)
        (folder / f"{name}.pub").write_text(pair.public + "\n")
    public = (folder / "host_key.pub").read_text().strip()
    (folder / "known_hosts").write_text(
        "".join(f"[{where}]:{PORT} {public}\n" for where in listening.values())
    )
    (folder / "ssh_config").write_text(
        "".join(f"Host {name}\n  HostName {where}\n" for name, where in listening.items())
        + f"Host *\n  User root\n  Port {PORT}\n  IdentityFile {folder}/operator\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n"
    )


@contextlib.contextmanager
def servers(folder: Path) -> Generator[None, None, None]:
    with subprocess.Popen(
        [sys.executable, str(SERVERS), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise SystemExit("the simulated hosts did not come up")
        yield
        process.stdin.close()


def run(spec: Path) -> tuple[float, float, float]:
    """Of one `kanae apply`: wall seconds, processor seconds, the most memory (resident, MB)."""
    begin = time.perf_counter()
    argv = [sys.executable, "-m", "kanae", "apply", "--yes", str(spec)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0 or "nothing to do" not in text:
        raise SystemExit(f"kanae apply ended with {process.returncode}:\n{text[:4000]}")
    # Linux gives memory in KiB.
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=200, help="in all (default 200)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--spec", type=Path, help="of a living cluster, instead of a lab")
    parser.add_argument("--subnet", default="10.79.2", help="of the lab (default 10.79.2)")
    arguments = parser.parse_args()
    seconds = Figure(f"kanae apply, nothing to do, {arguments.hosts} hosts", target=10)
    own = Figure("  its own processor time")
    memory = Figure("its memory, resident, at most", "MB", target=500)
    with tempfile.TemporaryDirectory(prefix="kanae-many-") as name:
        folder = Path(name)
        with cluster(arguments.spec, arguments.subnet) as spec:
            many = prepare(spec, arguments.hosts, folder)
        with servers(folder):
            for _ in range(arguments.runs):
                for figure, value in zip((seconds, own, memory), run(many), strict=True):
                    figure.add(value)
    print(table([seconds, own, memory]))


if __name__ == "__main__":
    main()
