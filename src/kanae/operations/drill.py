"""Drills on a cluster: one, once or many times, each begun on a cluster that is whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import kanae
from kanae.drills.cluster import credentials
from kanae.drills.cluster.kube import routes
from kanae.drills.cluster.power import Power, power_of
from kanae.drills.faults.protocol import Tools
from kanae.drills.judging import thresholds
from kanae.drills.judging.series import SeriesResult
from kanae.drills.launching.place import Here, Place, There, find_python, way_to
from kanae.drills.launching.way import Direct, Forwarded, Way
from kanae.drills.probing.client import Credentials, Route
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.proofs import image_of
from kanae.drills.running.repeated_runs import repeat, whole_again
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios import inside, safety
from kanae.errors import Refused, UsageError
from kanae.execute.lease import hold
from kanae.facts.gather import gather
from kanae.facts.model import Facts, Query
from kanae.layout.families import UNKNOWN
from kanae.operations.drill_order import DrillConsole, DrillOrder
from kanae.operations.drill_remedy import Agreed, Restoration
from kanae.operations.project import Project
from kanae.operations.survey import survey
from kanae.plan.clients import kubeconfig
from kanae.plan.membership import known, require_ours
from kanae.spec.models import Role
from kanae.transport.fleet import Fleet
from kanae.transport.settings import reach_of

_MOST_REQUESTS = 1000.0  # per second; more is a load test, not a drill
# What gives the lease up for a while.
_Lent = Callable[[], AbstractAsyncContextManager[None]]


async def drill(project: Project, order: DrillOrder, console: DrillConsole) -> SeriesResult | None:
    """All runs of an order, with their verdicts; None when the console has declined.

    Raises Refused when the cluster is not whole or an earlier run has left something to put back,
    LeaseHeld, UsageError for an order that makes no sense, and a single run's own error.
    """
    _refuse_unsettled(project.spec.name)
    return await _Drills(project, order, console).run()


def _refuse_unsettled(cluster: str) -> None:
    left = recovery_record.unsettled(cluster)
    if left:
        raise Refused(
            f"an earlier run has not put everything back: {left[0]}",
            remedy="kanae drill recover SPEC",
        )


def _run_id() -> str:
    """By time, so that runs sort; fits into a Kubernetes name."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{time.time_ns() // 1000 % 1000:03d}"


class _Drills:
    """One order: what its runs share."""

    def __init__(self, project: Project, order: DrillOrder, console: DrillConsole) -> None:
        self._project = project
        self._spec = project.spec
        self._order = order
        self._console = console
        self._digest = hashlib.sha256(project.text.text.encode()).hexdigest()
        self._thresholds = thresholds.load(order.limits_file)
        self._python = ""
        # The same for all runs: asked of the cluster once.
        self._credentials: Credentials | None = None
        self._images: dict[str, str] | None = None

    async def run(self) -> SeriesResult | None:
        spec, order, run = self._spec, self._order, _run_id()
        safety.require_expendable(order.scenario, spec, ())
        streams = order.load.streams(self._asked())
        order.scenario.require_time(streams, thresholds.validity(self._thresholds)["min-requests"])
        power = power_of(spec)
        async with Fleet(
            spec,
            run_id=run,
            password=self._console.password,
            tolerant=order.accept_outage,
            host_keys=order.host_keys,
        ) as fleet:
            first = await survey(self._project, fleet)
            require_ours(spec, first, known(spec, first).identity)
            before = safety.problems(spec, first)
            hosts = self._choose(first, 0)
            # Told before the first run, not by one of the later ones.
            for turn in range(1, order.times):
                later = safety.choose(order.scenario, spec, first, order.target, turn)
                self._require_measured(later)
            if order.prober is not None:
                await self._allow_prober(order.prober, first, fleet, power)
            if not await self._console.decide(order, hosts):
                return None
            async with AsyncExitStack() as lease:
                holding = hold(spec, fleet, run, break_lease=order.break_lease)
                inherited = await lease.enter_async_context(holding)

                @asynccontextmanager
                async def lent() -> AsyncGenerator[None]:
                    # Not taken back when it fails: nothing more is done then but to put back.
                    await lease.aclose()
                    yield
                    await lease.enter_async_context(hold(spec, fleet, run, break_lease=False))

                async def prepare(turn: int) -> Setting:
                    facts, chosen = first, hosts
                    if turn or inherited:
                        _refuse_unsettled(spec.name)
                        facts = await whole_again(
                            spec, lambda: survey(self._project, fleet), before
                        )
                        chosen = self._choose(facts, turn)
                    return await self._setting(chosen, facts, fleet, power, lent)

                return await repeat(order.times, prepare)

    def _choose(self, facts: Facts, turn: int) -> tuple[str, ...]:
        """The hosts that the run of a turn breaks, if that is safe."""
        order = self._order
        hosts = safety.choose(order.scenario, self._spec, facts, order.target, turn)
        rate = order.load.rate(self._asked())
        if rate > _MOST_REQUESTS:
            raise UsageError(
                f"{rate:.0f} requests per second are more than {_MOST_REQUESTS:g}",
                remedy="a longer --period, fewer --kept connections, or --no-direct",
            )
        problems = safety.problems(self._spec, facts)
        safety.require_expendable(order.scenario, self._spec, problems)
        found = safety.refusals(order.scenario, self._spec, hosts, problems)
        safety.require(found, accepted=order.accept_outage)
        self._require_measured(hosts)
        return hosts

    def _require_measured(self, hosts: Sequence[str]) -> None:
        """Raise Refused when the fault of `hosts` takes the prober, or whence it looks inside."""
        prober = self._order.prober
        if prober is not None:
            safety.require_apart(prober, way_to(self._spec, prober), hosts)
        self._look_from(hosts)

    def _asked(self) -> tuple[Route, ...]:
        """By name what a run asks, if it can look from inside."""
        ends = inside.ends(self._spec) if self._order.look_inside else ()
        return (*routes(self._spec), *ends)

    def _look_from(self, hosts: Sequence[str]) -> str | None:
        order, spec = self._order, self._spec
        if not order.look_inside:
            return None
        return inside.choose(
            spec, hosts, lambda host: way_to(spec, host), order.inside, order.prober
        )

    def _way(self, hosts: Sequence[str]) -> Way | None:
        host, prober = self._look_from(hosts), self._order.prober
        if host is None:
            return None
        ends = inside.ends(self._spec)
        if host == prober:
            return Direct(host, ends)
        there = None if prober is None else reach_of(self._spec, prober)
        return Forwarded(host, ends, reach_of(self._spec, host), there)

    async def _allow_prober(self, prober: str, facts: Facts, fleet: Fleet, power: Power) -> None:
        """See to it that it can run there."""
        here = facts.hosts.get(prober)
        self._python = await find_python(fleet[prober], here.base.family if here else UNKNOWN)
        await power.allow_realtime(prober)

    def _place(self, fleet: Fleet, run: str) -> Place:
        prober = self._order.prober
        return Here() if prober is None else There(fleet[prober], run, self._python)

    async def _setting(
        self, hosts: tuple[str, ...], facts: Facts, fleet: Fleet, power: Power, lent: _Lent
    ) -> Setting:
        spec, order, run = self._spec, self._order, _run_id()
        scenario = order.scenario
        balancer = str(spec.load_balancer.kind)
        folder = run_folder.drills_dir(spec.name) / f"{run}-{scenario.name}"
        folder.mkdir(parents=True, mode=0o700)
        if self._credentials is None:
            self._credentials = await credentials.fetch(spec, fleet.__getitem__)
        if scenario.wants_image and order.image is None and self._images is None:
            self._images = await _images(fleet)
        api = facts.api
        return Setting(
            run=run,
            scenario=scenario,
            hosts=hosts,
            folder=folder,
            digest=self._digest,
            versions={"kubernetes": api.version if api else "", "kanae": kanae.__version__},
            limits=thresholds.limits(self._thresholds, scenario.name, balancer),
            leader_limits=thresholds.leader_limits(self._thresholds, scenario.name, balancer),
            validity=thresholds.validity(self._thresholds),
            load=order.load,
            routes=routes(spec),
            credentials=self._credentials,
            image=image_of(self._images or {}, order.image),
            tools=Tools(spec, power, fleet.__getitem__),
            problems=safety.problems(spec, facts),
            accepted=order.accept_outage,
            say=self._console.say,
            place=self._place(fleet, run),
            way=self._way(hosts),
            kubeconfigs={
                host: there.path
                for host in spec.having(Role.CLIENT)
                if host in facts.hosts and (there := kubeconfig(facts.hosts[host])) is not None
            },
            remedy=self._remedy(hosts, folder, power, lent),
        )

    def _remedy(
        self, hosts: tuple[str, ...], folder: Path, power: Power, lent: _Lent
    ) -> Restoration | None:
        scenario, order = self._order.scenario, self._order
        if not scenario.remedy:
            return None
        left = (host for host in self._spec.etcd_hosts if host not in hosts)
        return Restoration(
            self._project,
            folder,
            member=next(left) if scenario.remedy == "survivor" else None,
            blank=hosts if scenario.kind == "blank" else (),
            power=power,
            console=Agreed(self._console.password, self._console.say),
            lent=lent,
            identity_file=order.identity_file,
            host_keys=order.host_keys,
        )


async def _images(fleet: Fleet) -> dict[str, str]:
    """The images on the nodes, by reference."""
    there = [host for host in fleet.spec.nodes if host in fleet]
    nodes = await gather(
        {host: fleet[host] for host in there}, {host: Query(images=True) for host in there}
    )
    return {name: "" for host in nodes.hosts.values() for name in host.images or {}}
