"""One round of a bench: a whole cluster is changed while probers ask it, and is judged by that.

The workload is that of `kanae drill run --no-direct`. What changes the cluster is the caller's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import kanae
from kanae.drills.cluster import credentials
from kanae.drills.cluster.etcd import Etcd
from kanae.drills.cluster.kube import Kube, routes
from kanae.drills.judging import history, thresholds
from kanae.drills.judging.changes import judge
from kanae.drills.probing.client import Credentials
from kanae.drills.probing.workload import Load
from kanae.drills.records import Header
from kanae.drills.running import run_folder
from kanae.drills.running.changing import Changes, Watched, watched
from kanae.drills.running.repeated_runs import cleared, whole_again
from kanae.drills.scenarios import safety
from kanae.facts.model import Facts
from kanae.operations.project import Project
from kanae.operations.survey import survey
from kanae.transport.fleet import Fleet
from rounds import Round

LOAD = Load(direct=False)
DEADLINE = 10.0


async def whole(project: Project) -> tuple[Facts, Credentials]:
    """Once nothing is missing. Raises Refused when that takes too long."""
    async with Fleet(project.spec, tolerant=True) as fleet:
        facts = await whole_again(project.spec, lambda: survey(project, fleet), ())
        return facts, await credentials.fetch(project.spec, fleet.__getitem__)


async def probed(
    project: Project,
    folder: Path,
    kind: str,
    choose: Callable[[Facts], str],
    change: Callable[[Changes, str], Awaitable[None]],
) -> Round:
    """Begun when the cluster is whole. folder: for the histories of all rounds, each in one of its
    own. choose: the host that is changed. change: changes it, and puts back what is not to stay.
    """
    spec, began = project.spec, time.perf_counter()
    facts, admin = await whole(project)
    host, ways = choose(facts), routes(spec)
    run = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    own = folder / f"{run}-{kind}"
    own.mkdir(parents=True, mode=0o700)
    header = Header(
        run=run,
        drill=kind,
        cluster=spec.name,
        digest=hashlib.sha256(project.text.text.encode()).hexdigest(),
        versions={"kubernetes": spec.version, "kanae": kanae.__version__},
        balancer=str(spec.load_balancer.kind),
        targets=(host,),
        zero=0.0,
        streams=LOAD.streams(ways),
        deadline=DEADLINE,
        limits={},
        validity=thresholds.validity(thresholds.load()),
    )

    async def compare() -> tuple[int, dict[str, int | None]]:
        async with Fleet(spec, spec.etcd_hosts) as fleet:
            return await Etcd(spec, fleet.__getitem__).compared()

    given = Watched(own, header, ways, admin, compare, safety.problems(spec, facts))
    async with watched(given) as changes:
        await change(changes, host)
    await cleared(Kube.of(ways, admin), given.namespace)
    felt = judge(history.read(own / f"{run_folder.HISTORY}.gz"))
    seconds = time.perf_counter() - began
    return Round(kind, host, safety.leader(facts) == host, seconds, felt)
