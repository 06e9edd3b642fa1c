"""What users feel while hosts of a living cluster leave, come and are replaced.

    bench/membership.py --times 10 --keep
    bench/membership.py --only dead-master --only worker --times 3

In a lab of its own (membership.yaml) while probers ask the API through the endpoint, as in
`kanae drill run --no-direct`. Every change is made by the commands that an operator types, and a
round ends in the state that it began in:

    master       a live control-plane host with a member of etcd leaves, and joins as a blank one
                 (`kanae replace`, which wipes it)
    etcd         the same of a live host with nothing but a member of etcd
    holder       the balancer that holds the virtual address is taken out of the spec, and put back
    balancer     the other balancer
    dead-master  the power of a control-plane host is cut; some seconds later a blank machine stands
                 in its place and replaces it. The cut, its machine's boot, the leaving and the
                 joining are judged apart. The joining lasts from its run's first step to the end
                 of the command
    worker       without probers: a blank worker joins a cluster of five nodes; seconds in all, and
                 which processes on the other hosts are not those of before

Rounds are kept in FOLDER (--results) as they come, with their histories. It may be interrupted and
called again: only what is missing is run, and a round that proves nothing (its reasons are shown)
does not count. By the figures of docs/benchmarks.md a round takes 60 to 90 s (master, dead-master)
or 30 to 50 s (the others), the cluster before them about 2 minutes: ten of each about an hour.
Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from kanae import paths
from kanae.drills.running.changing import Changes
from kanae.drills.scenarios import safety
from kanae.drills.scenarios.catalogue import find
from kanae.execute import journal
from kanae.facts.model import Facts
from kanae.lab.lab import Lab
from kanae.operations.project import Project
from kanae.operations.survey import survey
from kanae.spec.load import load
from kanae.spec.models import Role, Spec
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import must
from probed import probed, whole
from rounds import Round, Rounds, missing, report, said
from setting import Setting, command, setting

NAME = "bench-membership"
WORKER = "worker3"
HOLD = 5.0  # seconds that a host is dead before anything is done about it
# What lasts: programs of kanae's units, and of pods on every node and control-plane host.
LASTING = (
    "containerd,kubelet,etcd,haproxy,keepalived,kube-apiserver,kube-controller,kube-scheduler,"
    "kube-proxy,flanneld,coredns"
)


@dataclass(frozen=True, slots=True)
class Place:
    """here: its spec has every host of the lab. home: the spec that each round begins and ends
    with. folder: of results."""

    here: Setting
    home: Path
    folder: Path

    @property
    def rounds(self) -> Rounds:
        return Rounds(self.folder / "rounds.jsonl")

    def without(self, host: str) -> Path:
        """The home spec without a host, as a file."""
        path = self.here.folder / f"without-{host}.yaml"
        path.write_text(without(self.home.read_text(), host))
        return path

    def fingerprint(self, host: str) -> str:
        """Of a lab host's key, as its console would tell it."""
        lab = Lab.open(self.here.name)
        key = lab.ssh.host_key(host, lab.record.host(host).disk).public
        return asyncssh.import_public_key(key).get_fingerprint()


def without(text: str, host: str) -> str:
    """A spec's text without one of its hosts."""
    left, count = re.subn(rf"^  {host}: .*\n", "", text, flags=re.MULTILINE)
    assert count == 1, host
    return left


# Rounds with probers


@dataclass(frozen=True, slots=True)
class Turn:
    """One round, as far as what is done in it must know of it."""

    place: Place
    host: str
    changes: Changes

    async def kanae(self, *words: str) -> None:
        await asyncio.to_thread(command, *words)

    async def power(self, verb: str, *words: str) -> None:
        await asyncio.to_thread(self.place.here.power, verb, self.host, *words)


async def replace(turn: Turn, *options: str) -> None:
    """By one command, whose two runs are the leaving and the joining."""
    words = ("replace", turn.host, str(turn.place.home), "--yes", *options)
    cluster, changes = turn.place.here.name, turn.changes
    before, begin = set(journal.runs(cluster)), changes.now()
    await turn.kanae(*words)
    end = changes.now()
    made = [path for path in journal.runs(cluster) if path not in before]
    last = journal.read_run(made[-1]) if len(made) > 1 else None
    if last is None:
        raise SystemExit(f"kanae {shlex.join(words)} was not two runs, but {len(made)}")
    middle = changes.at(last.started.at)
    changes.record("leaves", begin, middle, shlex.join(words))
    changes.record("joins", middle, end, shlex.join(words))


async def remove_and_return(turn: Turn) -> None:
    smaller, home = str(turn.place.without(turn.host)), str(turn.place.home)
    removal = ("apply", smaller, "--yes", "--remove", turn.host)
    back = ("apply", home, "--yes")
    await turn.changes.during("leaves", lambda: turn.kanae(*removal), shlex.join(removal))
    await turn.changes.during("joins", lambda: turn.kanae(*back), shlex.join(back))


async def replace_dead(turn: Turn) -> None:
    async def cut() -> None:
        await turn.power("cut")
        await asyncio.sleep(HOLD)

    await turn.changes.during("power cut", cut)
    await turn.changes.during("blank machine boots", lambda: turn.power("on", "--blank"))
    await replace(turn, "--off", "--accept-host-key", turn.place.fingerprint(turn.host))


def masters(spec: Spec, _: Facts, number: int) -> str:
    """Those with a member of etcd take turns, the first one last."""
    both = [host for host in spec.having(Role.CONTROL_PLANE) if host in spec.etcd_hosts]
    return both[-1 - number % len(both)]


def etcd_only(spec: Spec, facts: Facts, _: int) -> str:
    return safety.choose(find("etcd-host-cut"), spec, facts)[0]


def holder(spec: Spec, facts: Facts, _: int) -> str:
    return safety.choose(find("balancer-cut"), spec, facts)[0]


def other_balancer(spec: Spec, facts: Facts, number: int) -> str:
    having = holder(spec, facts, number)
    return next(host for host in spec.having(Role.LOAD_BALANCER) if host != having)


# kind -> which host, what is done to it.
KINDS: dict[str, tuple[Callable[[Spec, Facts, int], str], Callable[[Turn], Awaitable[None]]]] = {
    "master": (masters, replace),
    "etcd": (etcd_only, replace),
    "holder": (holder, remove_and_return),
    "balancer": (other_balancer, remove_and_return),
    "dead-master": (masters, replace_dead),
}


async def probed_round(place: Place, kind: str, number: int) -> Round:
    choose, change = KINDS[kind]
    project = Project.open(place.home)
    return await probed(
        project,
        place.folder,
        kind,
        lambda facts: choose(project.spec, facts, number),
        lambda changes, host: change(Turn(place, host, changes)),
    )


# A worker


async def processes(spec: Spec) -> dict[str, frozenset[str]]:
    """host -> `program pid start` of everything that lasts there."""
    # When it began is field 22 of its stat (proc(5)); one that has just ended has none.
    script = (
        f"for pid in $(ps -o pid= -C {LASTING}); do\n"
        "start=$(sed 's/.*) //' /proc/$pid/stat 2>/dev/null | cut -d' ' -f20) && "
        'echo "$(cat /proc/$pid/comm) $pid $start"\ndone\n'
        "true\n"
    )
    async with Fleet(spec) as fleet:
        hosts = tuple(fleet)
        told = await asyncio.gather(
            *(must(fleet[host], script, command="list processes") for host in hosts)
        )
    return {
        host: frozenset(text.decode().splitlines()) for host, text in zip(hosts, told, strict=True)
    }


def restarted(
    before: dict[str, frozenset[str]], after: dict[str, frozenset[str]]
) -> tuple[str, ...]:
    """`host: program` of those that are gone."""
    return tuple(
        f"{host}: {line.split()[0]}"
        for host, lines in before.items()
        for line in sorted(lines - after[host])
    )


def add_worker(place: Place) -> Round:
    """A blank machine each time; it has left again at the end."""
    home = load(place.home)
    place.here.power("cut", WORKER)
    place.here.power("on", WORKER, "--blank")
    accept = ("--accept-host-key", place.fingerprint(WORKER))
    asyncio.run(whole(Project.open(place.home)))
    before = asyncio.run(processes(home))
    seconds = place.here.kanae("apply", "--yes", *accept)
    after = asyncio.run(processes(home))
    place.here.kanae("apply", "--yes", "--remove", WORKER, spec=place.home)
    return Round("worker", WORKER, False, seconds, None, restarted(before, after))


# All rounds, and what they come to


def make(place: Place, kinds: Iterable[str], times: int) -> None:
    for kind in kinds:
        while missing(past := place.rounds.of(kind), times):
            if kind == "worker":
                done = add_worker(place)
            else:
                done = asyncio.run(probed_round(place, kind, len(past)))
            place.rounds.keep(done)
            print(said(done), flush=True)


async def leaving(project: Project) -> list[str]:
    """What an interrupted round has left in the cluster."""
    async with Fleet(project.spec, tolerant=True) as fleet:
        facts = await survey(project, fleet)
    return [host for host in project.known(facts).hosts if host not in project.spec.hosts]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = [*KINDS, "worker"]
    parser.add_argument("--times", type=int, default=10, help="rounds of each kind (default 10)")
    parser.add_argument("--only", action="append", choices=every, help="may be repeated")
    parser.add_argument("--subnet", default="10.79.6", help="of the lab (default 10.79.6)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    default = paths.state_dir() / "bench-membership"
    parser.add_argument("--results", type=Path, default=default, metavar="FOLDER")
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True, mode=0o700)
    spec = Path(__file__).with_suffix(".yaml")
    keep: bool = arguments.keep
    with setting(spec, NAME, arguments.subnet, keep=keep, forget=not keep) as here:
        home = here.folder / "home.yaml"
        home.write_text(without(here.spec.read_text(), WORKER))
        place = Place(here, home, arguments.results)
        try:
            if not here.ssh_config.exists():
                # Keys that were accepted for the hosts of an earlier lab are not these hosts'.
                shutil.rmtree(paths.cluster_dir(NAME), ignore_errors=True)
            here.lab("up")
            gone = asyncio.run(leaving(Project.open(home)))
            removed = [word for host in gone for word in ("--remove", host)]
            here.kanae("apply", "--yes", *removed, spec=home)
            make(place, arguments.only or every, arguments.times)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here")
        finally:
            print(report(place.rounds.all()))


if __name__ == "__main__":
    main()
