"""Real lab hosts for tests: each lab has a name and a subnet of its own and its state in a
temporary folder; the base root is the user's cached one and is built when it is missing."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kanae.lab import lab as labs
from kanae.lab import network
from kanae.lab.cgroups import Cgroups
from kanae.lab.lab import Lab
from kanae.lab.processes import start_time
from kanae.spec.load import loads
from kanae.spec.models import Spec

_NUMBERS = itertools.count()


def _free_subnet() -> IPv4Network:
    taken = list(network.routes())
    for third in range(1, 255):
        # Below 10.244, the pods' network of a spec that says nothing of it.
        subnet = IPv4Network(f"10.{200 + (os.getpid() + next(_NUMBERS)) % 40}.{third}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise AssertionError("no free subnet from 10.200 to 10.239")


@dataclass
class LabCase:
    """A spec with a name and a subnet of its own, and the kanae command that works on it."""

    folder: Path
    state: Path
    subnet: IPv4Network = field(default_factory=_free_subnet)
    name: str = field(default_factory=lambda: f"t{os.getpid()}-{next(_NUMBERS)}")

    def spec_text(self, hosts: int = 2, *, name: str = "") -> str:
        lines = [f"name: {name or self.name}", "kubernetes: v1.37.2", "hosts:"]
        for index in range(1, hosts + 1):
            roles = "[control-plane]" if index == 1 else "[worker]"
            address = self.subnet.network_address + 9 + index
            lines.append(f"  h{index}: {{address: {address}, roles: {roles}}}")
        return "\n".join(lines) + "\n"

    def spec(self, hosts: int = 2) -> Spec:
        return loads(self.spec_text(hosts), "test")

    def spec_file(self, hosts: int = 2) -> Path:
        path = self.folder / f"{self.name}.yaml"
        path.write_text(self.spec_text(hosts))
        return path

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "kanae", "lab", *words]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.state)}

    def kanae(
        self, *words: str, stdin: str = "", status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run `kanae lab WORDS`; the exit status must be as said."""
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=300,
        )
        assert done.returncode == status, done.stderr
        return done

    def leftovers(self) -> set[str]:
        """Links, mounts, control groups and processes of this machine, but other labs'."""
        mine = f"/kanae/{self.name}"
        found = {
            f"link {name}"
            for name, alias in network.links().items()
            if not alias.startswith("kanae-lab:") or alias == f"kanae-lab:{self.name}"
        }
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            at = line.split()[4]
            if "kanae-lab-" not in at or at.endswith(f"kanae-lab-{self.name}"):
                found.add(f"mount {at}")
        groups = Cgroups.here()
        for path in groups.paths(f"kanae/{self.name}"):
            found |= {f"cgroup {folder}" for folder in [path, *path.rglob("*/")] if folder.exists()}
        machines = f"--machine=kn{network.lab_key(self.name)[:6]}"
        for process in Path("/proc").glob("[0-9]*"):
            if start_time(int(process.name)) is None:
                continue  # a zombie: gone but for its parent, which is this machine's PID 1
            try:
                its = (process / "cgroup").read_text() + "\n"
                if f"{mine}/" in its or f"{mine}\n" in its:
                    found.add(f"process {process.name} in {mine}")
                if machines in (process / "cmdline").read_text():
                    found.add(f"process {process.name} {machines}")
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


@pytest.fixture(scope="module")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """XDG_STATE_HOME of this module's labs, for this process too."""
    path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(path))
        yield path


@pytest.fixture(scope="module")
def new_case(
    tmp_path_factory: pytest.TempPathFactory, state_home: Path, alone: None
) -> Iterator[Callable[[], LabCase]]:
    """Makes cases; whatever lab a test leaves is taken down after the module."""
    made: list[LabCase] = []

    def make() -> LabCase:
        made.append(LabCase(tmp_path_factory.mktemp("case"), state_home))
        return made[-1]

    yield make
    for case in made:
        labs.down(case.name, lambda _: None)


@pytest.fixture(scope="module")
def running(new_case: Callable[[], LabCase]) -> LabCase:
    """A lab with h1 and h2, shared by a module's tests."""
    case = new_case()
    case.kanae("up", str(case.spec_file()))
    return case


@pytest.fixture
def lab(running: LabCase) -> Lab:
    return Lab.open(running.name)
