"""`kanae drill run`: one drill on a cluster, once or many times."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

import kanae
from kanae.cli.confirm import ask_password
from kanae.cli.session import Session
from kanae.drills.cluster import credentials
from kanae.drills.cluster.kube import routes
from kanae.drills.cluster.power import Power, power_of
from kanae.drills.faults.protocol import Tools
from kanae.drills.judging import thresholds
from kanae.drills.judging.series import OUTCOME, Outcome
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.launching.place import Here, Place, There, find_python, way_to
from kanae.drills.probing.client import Credentials
from kanae.drills.probing.workload import Load
from kanae.drills.running import record
from kanae.drills.running.proofs import image_of
from kanae.drills.running.repeat import repeat, whole_again
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios import safety
from kanae.drills.scenarios.catalogue import find
from kanae.drills.scenarios.scenario import Scenario
from kanae.errors import DrillFailed, Refused, UsageError
from kanae.execute.lease import hold
from kanae.facts.gather import gather
from kanae.facts.model import Facts, Query
from kanae.layout.families import UNKNOWN
from kanae.report.drill_text import comparison_text, verdict_text
from kanae.transport.fleet import Fleet

OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output format."
)
SPEC = click.argument("spec", type=click.Path(path_type=Path))
_SECONDS = click.FloatRange(0, 3600)
_MOST_REQUESTS = 1000.0  # per second; more is a load test, not a drill


def say(line: str) -> None:
    click.echo(line, err=True)


@click.command("run")
@click.argument("name")
@SPEC
@click.option("--target", metavar="HOST", help="The host of the fault, instead of one chosen.")
@click.option("--from", "prober", metavar="HOST", help="Probe from this host, not from here.")
@click.option("--repeat", "times", type=click.IntRange(1, 1000), default=1, help="How many runs.")
@click.option("--steady", type=_SECONDS, help="Measured peace before the fault [default: 15].")
@click.option("--hold", type=_SECONDS, help="How long the fault lasts, instead of the drill's own.")
@click.option("--after", type=_SECONDS, help="Measured peace at the end [default: 15].")
@click.option("--period", type=click.FloatRange(0.01, 10), default=0.1, help="Seconds per request.")
@click.option("--kept", type=click.IntRange(1, 64), default=4, help="Kept connections a stream.")
@click.option("--direct/--no-direct", default=True, help="Also ask each API server directly.")
@click.option("--image", help="Answers GET / on port 80; for drills that make a Deployment.")
@click.option("--thresholds", "limits_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--accept-outage", is_flag=True, help="The users of this cluster may lose it.")
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the fault.")
@OUTPUT
def run_drill(
    name: str,
    spec: Path,
    target: str | None,
    prober: str | None,
    times: int,
    steady: float | None,
    hold: float | None,
    after: float | None,
    period: float,
    kept: int,
    direct: bool,
    image: str | None,
    limits_file: Path | None,
    accept_outage: bool,
    break_lease: bool,
    yes: bool,
    output: str,
) -> None:
    """Run the drill NAME on the cluster of SPEC.

    Ends with status 40 unless every run passed. With --repeat a run that fails or is void does
    not end the series, unless what it broke is not whole again.

    \b
    Examples:
      kanae drill run power-cut cluster.yaml
      kanae drill run return cluster.yaml --target server2 --repeat 20 --yes
    """
    given = {"steady": steady, "hold": hold, "after": after}
    scenario = replace(find(name), **{k: v for k, v in given.items() if v is not None})
    session = Session.open(spec)
    if prober is not None and prober not in session.spec.hosts:
        raise UsageError(f"--from: there is no host {prober}", remedy="name one of the spec's")
    _refuse_unsettled(session.spec.name)
    drills = _Drills(
        session=session,
        digest=hashlib.sha256(spec.read_bytes()).hexdigest(),
        load=Load(period, kept, direct),
        limits_file=limits_file,
        image=image,
        prober=prober,
        accept_outage=accept_outage,
        yes=yes,
    )
    outcome = asyncio.run(drills.run(scenario, target, times, break_lease=break_lease))
    if output == "json":
        click.echo(OUTCOME.dump_json(outcome, indent=1).decode())
    else:
        for verdict in outcome.runs:
            click.echo(verdict_text(verdict))
        if times > 1:
            click.echo(comparison_text(outcome.runs))
    if outcome.stopped:
        raise DrillFailed(
            f"the series ended after {len(outcome.runs)} of {times} runs: {outcome.stopped}",
            remedy="make the cluster whole: kanae status SPEC",
        )
    raise_unless_passed(outcome.runs)


def raise_unless_passed(verdicts: Sequence[Verdict]) -> None:
    bad = [verdict for verdict in verdicts if verdict.result is not Result.PASSED]
    if bad:
        first = bad[0]
        raise DrillFailed(
            f"{len(bad)} of {len(verdicts)} runs {first.result}: {first.reasons[0]}",
            remedy="see the timeline: kanae drill report SPEC --html FILE",
        )


def _refuse_unsettled(cluster: str) -> None:
    left = record.unsettled(cluster)
    if left:
        raise Refused(
            f"an earlier run has not put everything back: {left[0]}",
            remedy="kanae drill recover SPEC",
        )


class _Drills:
    """One `drill run`: what its runs share."""

    def __init__(
        self,
        *,
        session: Session,
        digest: str,
        load: Load,
        limits_file: Path | None,
        image: str | None,
        prober: str | None,
        accept_outage: bool,
        yes: bool,
    ) -> None:
        self._session = session
        self._spec = session.spec
        self._digest = digest
        self._load = load
        self._thresholds = thresholds.load(limits_file)
        self._image = image
        self._prober = prober
        self._python = ""
        self._accept_outage = accept_outage
        self._yes = yes
        # The same for all runs: asked of the cluster once.
        self._credentials: Credentials | None = None
        self._images: dict[str, str] | None = None

    async def run(
        self, scenario: Scenario, target: str | None, times: int, *, break_lease: bool
    ) -> Outcome:
        spec, run = self._spec, _run_id()
        streams = self._load.streams(routes(spec))
        scenario.require_time(streams, thresholds.validity(self._thresholds)["min-requests"])
        power = power_of(spec)
        async with Fleet(
            spec, run_id=run, password=ask_password, tolerant=self._accept_outage
        ) as fleet:
            first = await self._session.survey(fleet)
            before = safety.problems(spec, first)
            hosts = safety.choose(scenario, spec, first, target)
            self._check(scenario, hosts, first)
            if self._prober is not None:
                for turn in range(1, times):
                    self._apart(safety.choose(scenario, spec, first, target, turn))
                known = first.hosts.get(self._prober)
                family = known.base.family if known else UNKNOWN
                self._python = await find_python(fleet[self._prober], family)
                await power.allow_realtime(self._prober)
            if not self._yes:
                self._confirm(scenario, hosts, times)
            async with hold(spec, fleet, run, break_lease=break_lease) as inherited:

                async def prepare(turn: int) -> Setting:
                    facts, chosen = first, hosts
                    if turn or inherited:
                        _refuse_unsettled(spec.name)
                        facts = await whole_again(spec, lambda: self._session.survey(fleet), before)
                        chosen = safety.choose(scenario, spec, facts, target, turn)
                        self._check(scenario, chosen, facts)
                    return await self._setting(scenario, chosen, facts, fleet, power)

                return await repeat(times, prepare)

    def _check(self, scenario: Scenario, hosts: Sequence[str], facts: Facts) -> None:
        rate = self._load.rate(routes(self._spec))
        if rate > _MOST_REQUESTS:
            raise UsageError(
                f"{rate:.0f} requests per second are more than {_MOST_REQUESTS:g}",
                remedy="a longer --period, fewer --kept connections, or --no-direct",
            )
        problems = safety.problems(self._spec, facts)
        found = safety.refusals(scenario, self._spec, hosts, problems)
        safety.require(found, accepted=self._accept_outage)
        self._apart(hosts)

    def _apart(self, hosts: Sequence[str]) -> None:
        if self._prober is not None:
            safety.require_apart(self._prober, way_to(self._spec, self._prober), hosts)

    def _place(self, fleet: Fleet, run: str) -> Place:
        if self._prober is None:
            return Here()
        return There(fleet[self._prober], run, self._python)

    def _confirm(self, scenario: Scenario, hosts: Sequence[str], times: int) -> None:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on; say --yes")
        where = f" Hosts: {', '.join(hosts)}." if hosts else ""
        often = f" {times} times." if times > 1 else ""
        question = f"{scenario.title}{where}{often} Do this to {self._spec.name}?"
        if not click.confirm(question, err=True):
            raise click.Abort

    async def _setting(
        self,
        scenario: Scenario,
        hosts: tuple[str, ...],
        facts: Facts,
        fleet: Fleet,
        power: Power,
    ) -> Setting:
        spec, run = self._spec, _run_id()
        balancer = str(spec.load_balancer.kind)
        folder = record.drills_dir(spec.name) / f"{run}-{scenario.name}"
        folder.mkdir(parents=True, mode=0o700)
        if self._credentials is None:
            self._credentials = await credentials.fetch(spec, fleet.__getitem__)
        if scenario.wants_image and self._image is None and self._images is None:
            there = [host for host in spec.nodes if host in fleet]
            queries = {host: Query(images=True) for host in there}
            nodes = await gather({host: fleet[host] for host in there}, queries)
            self._images = {name: "" for host in nodes.hosts.values() for name in host.images or {}}
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
            load=self._load,
            routes=routes(spec),
            credentials=self._credentials,
            image=image_of(self._images or {}, self._image),
            tools=Tools(spec, power, fleet.__getitem__),
            problems=safety.problems(spec, facts),
            accepted=self._accept_outage,
            say=say,
            place=self._place(fleet, run),
        )


def _run_id() -> str:
    """By time, so that runs sort; fits into a Kubernetes name."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{time.time_ns() // 1000 % 1000:03d}"
