"""Loss for good: a member's data, or a host with all that it had. Only a restore mends it."""

from __future__ import annotations

from kanae.drills.cluster.power import PowerCommand
from kanae.drills.faults import processes
from kanae.drills.faults.power import SILENT_SECONDS, EachHost, PowerCut, read_of
from kanae.drills.faults.protocol import FaultPlan, Sign, Tools
from kanae.errors import Refused
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.resources.model import quote
from kanae.spec.models import EtcdTopology, Spec
from kanae.transport.protocol import must

# A stacked member ends when kubelet has seen that its manifest is gone: at the latest when it looks
# at the folder again, each 20 s (fileCheckFrequency), and then after 30 s of grace. Seconds.
_GONE_SECONDS = 90
_ETCD = "etcd"


def _folder(spec: Spec) -> str:
    """Sets `data` to the folder that the member on a host is known to use."""
    mark = marks.path(marks.ETCD_DATA)
    return f"data=$(cat {mark} 2>/dev/null) || :; data=${{data:-{quote(str(spec.etcd.data_dir))}}}"


def found(spec: Spec) -> str:
    """Print the folder with a member's data, with its inode; fail where there is none."""
    return f'{_folder(spec)}\nls -id -- "$data/member"'


def wiped(spec: Spec) -> str:
    """End the member at once, and remove its data. Nothing starts it again: a member of a stacked
    etcd that began anew on an empty disk would answer the API server on its host with a cluster in
    which there is nothing, and kubelets would end all pods.
    """
    lines = ["set -eu", _folder(spec)]
    if spec.etcd_topology is EtcdTopology.EXTERNAL:
        lines += [
            f"systemctl kill --signal KILL {units.ETCD} 2>/dev/null || :",
            f"systemctl disable --quiet --now {units.ETCD}",
        ]
    else:
        lines += [
            f"mkdir -p {at.FENCED}",
            f"mv -fT {at.MANIFESTS}/{_ETCD}.yaml {at.FENCED}/{_ETCD}.yaml",
            f"end=$(($(date +%s) + {_GONE_SECONDS}))",
            "while :; do",
            processes.each(processes.CGROUPS[_ETCD], 'kill -KILL "$pid" || :', comm=_ETCD).rstrip(),
            f'[ -n "$(crictl ps -q --state running --name "^{_ETCD}$")" ] || break',
            '[ "$(date +%s)" -lt "$end" ] || { echo "etcd does not end" >&2; exit 1; }',
            "sleep 0.2",
            "done",
        ]
    return "\n".join([*lines, 'rm -rf --one-file-system -- "$data/member"', "sync"])


def lost(spec: Spec) -> str:
    """Print what is left: a line for the data, one for each process of the member."""
    listed = processes.each(processes.CGROUPS[_ETCD], 'echo "pid $pid runs"', comm=_ETCD)
    return f'{_folder(spec)}\n[ ! -e "$data/member" ] || echo "$data/member is there"\n{listed}'


class Wipe(EachHost):
    """Every host's member of etcd loses its data, all at once; none of them starts again."""

    def check_safe(self) -> None:
        """What cannot be undone here has been agreed to in words, and is restored by the drill."""

    async def prepare(self) -> None:
        for host in self.plan.hosts:
            await must(
                self.tools.transport(host),
                found(self.tools.spec),
                command="find etcd's data",
                remedy="choose another target: this host has no member's data",
            )

    async def inject(self) -> None:
        await self.each(self._wipe)

    async def _wipe(self, host: str) -> None:
        await must(
            self.tools.transport(host),
            wiped(self.tools.spec),
            command="kill etcd, rm -rf its data",
            timeout=_GONE_SECONDS + 30.0,
        )

    async def signs(self) -> tuple[Sign, ...]:
        signs: list[Sign] = []
        for host in self.plan.hosts:
            done = await self.tools.transport(host).run(lost(self.tools.spec), timeout=15)
            left = "; ".join(done.stdout.decode(errors="replace").splitlines())
            signs.append(Sign("data gone", host, done.status == 0 and not left, left or "nothing"))
        return tuple(signs)

    async def undo(self) -> None:
        """What is lost comes back with the restore."""

    async def signs_after(self) -> tuple[Sign, ...]:
        return ()


class Blank(PowerCut):
    """The host loses its power with all that it had, and a blank machine stands in its place."""

    def __init__(self, plan: FaultPlan, tools: Tools) -> None:
        super().__init__(plan, tools)
        self._machines: dict[str, str] = {}
        self._silences: tuple[Sign, ...] = ()

    def check_safe(self) -> None:
        lacking = [host for host in self.plan.hosts if not self.can(host, PowerCommand.BLANK)]
        if lacking:
            raise Refused(
                f"nothing can put a blank machine in the place of {', '.join(lacking)}",
                remedy="drill the hosts of a lab (kanae lab up)",
            )

    async def prepare(self) -> None:
        for host in self.plan.hosts:
            self._machines[host] = await self._machine(host)

    async def _machine(self, host: str) -> str:
        return await read_of(self.tools, host, "cat /etc/machine-id\n", "read machine-id")

    async def inject(self) -> None:
        await self.each(self.tools.power.cut)
        self._silences = await self.silences(SILENT_SECONDS)
        await self.each(self.tools.power.blank)

    async def signs(self) -> tuple[Sign, ...]:
        """Of when they were dead: the blank ones show host keys that are not known yet."""
        return self._silences

    async def signs_after(self) -> tuple[Sign, ...]:
        signs: list[Sign] = []
        for host, before in self._machines.items():
            after = await self._machine(host)
            detail = f"machine-id {before} before, {after} after"
            signs.append(Sign("another machine", host, after != before, detail))
        return tuple(signs)
