"""A unit that is not wanted any more, taken away by a real shell from a systemd of the test's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from kanae.execute.actions.hosts import converge
from kanae.execute.context import StepContext
from kanae.execute.values import Values
from kanae.layout import marks
from kanae.plan.actions import Converge
from kanae.plan.model import Step
from kanae.resources.file import Absent
from kanae.resources.unit import NoUnit
from kanae.transport.protocol import Transport

from .shell_host import ShellHost

SCRIPT = "/etc/kubernetes/gate.sh"
UNIT = "/etc/kubernetes/kanae-test.service"


@dataclass(frozen=True)
class OneHost:
    host: ShellHost

    def __getitem__(self, name: str, /) -> Transport:
        assert name == self.host.name
        return self.host

    async def recover(self, host: str, *, grace: float) -> None:
        raise AssertionError(f"no connection to {host} is lost here")


async def test_a_unit_stops_while_its_files_are_there_and_systemd_forgets_it_afterwards(
    tmp_path: Path,
) -> None:
    host = ShellHost("server1", tmp_path)
    script, unit = host.path(SCRIPT), host.path(UNIT)
    mark = host.path(f"{marks.FOLDER}/restart-kanae-test.service")
    for path in (script, unit, mark):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    called = tmp_path / "called"
    host.program("systemctl", f'echo "$* $(cd {unit.parent}; echo *)" >>{called}\n')
    action = Converge((NoUnit("kanae-test.service", UNIT), Absent(SCRIPT)))
    step = Step("server1/balancer/converge", "server1", "balancer", "load balancer", action)
    deadline = asyncio.get_running_loop().time() + 30
    await converge(StepContext(step, OneHost(host), Values(), deadline))
    assert called.read_text().splitlines() == [
        "disable -q kanae-test.service gate.sh kanae-test.service",
        "stop kanae-test.service gate.sh kanae-test.service",
        "daemon-reload gate.sh",
    ]
    assert not any(path.exists() for path in (script, unit, mark))
