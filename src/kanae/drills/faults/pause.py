"""A host that stands still for a while and goes on."""

from __future__ import annotations

from kanae.drills.cluster.power import PowerCommand
from kanae.drills.cluster.reach import Answer
from kanae.drills.faults import processes
from kanae.drills.faults.power import EachHost
from kanae.drills.faults.protocol import Sign
from kanae.layout import paths as at
from kanae.transport.protocol import must

_UNIT = "kanae-drill-pause"
# A file, since systemd would put its own meaning into what a command line of sh says with $.
_GO_ON = f"{at.RUN}/{_UNIT}.sh"


class Pause(EachHost):
    """Everything stands still; by the lab's freezer, or by SIGSTOP to all that serves."""

    def check_safe(self) -> None:
        """Always possible; ends by itself."""

    async def prepare(self) -> None:
        await self.remember()

    async def inject(self) -> None:
        await self.each(self._pause)

    def _signal(self, name: str) -> str:
        return processes.each(processes.serving(self.tools.spec), f'kill -{name} "$pid"')

    async def _pause(self, host: str) -> None:
        if self.can(host, PowerCommand.PAUSE):
            await self.tools.power.pause(host)
            return
        # First what lets it go on after a time even if nobody asks for it: a unit of systemd's,
        # which outlives this session and its orchestrator. Nothing stops unless that waits.
        script = (
            f"set -e; mkdir -p {at.RUN}; umask 077; cat >{_GO_ON}\n"
            f"systemd-run -q --collect --unit={_UNIT} --on-active={self.plan.hold:.0f}s"
            f" --timer-property=AccuracySec=100ms /bin/sh {_GO_ON}\n"
            f"systemctl is-active -q {_UNIT}.timer\n"
            f"set +e\n{self._signal('STOP')}exit 0\n"
        )
        await must(
            self.tools.transport(host),
            script,
            stdin=self._signal("CONT").encode(),
            command="pause",
            timeout=15,
        )

    async def signs(self) -> tuple[Sign, ...]:
        found: list[Sign] = []
        for host in self.plan.hosts:
            if self.can(host, PowerCommand.PAUSE):
                standing = frozenset({Answer.MUTE, Answer.SILENT})
                answer = await self.answers(host, standing, 5.0)
                found.append(Sign("standstill", host, answer in standing, f"sshd {answer}"))
            else:
                stopped = "grep -q '^State:.T' $d/status && echo \"$pid\""
                script = processes.each(processes.serving(self.tools.spec), stopped)
                done = await self.tools.transport(host).run(script, timeout=10)
                count = len(done.stdout.split())
                found.append(Sign("standstill", host, count > 0, f"{count} processes stopped"))
        return tuple(found)

    async def undo(self) -> None:
        await self.each(self._resume)

    async def _resume(self, host: str) -> None:
        if self.can(host, PowerCommand.PAUSE):
            await self.tools.power.resume(host)
            return
        # The timer goes last: until then it stands in for a connection that breaks.
        script = f"{self._signal('CONT')}systemctl stop {_UNIT}.timer 2>/dev/null; rm -f {_GO_ON}\n"
        await must(self.tools.transport(host), script, command="go on", timeout=15)

    async def signs_after(self) -> tuple[Sign, ...]:
        """The same boot as before: it stood still and did not die."""
        return tuple(
            Sign("same boot", sign.host, not sign.took, sign.detail)
            for sign in await self.boots_changed()
        )
