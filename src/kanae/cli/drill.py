"""`kanae drill`: break the cluster on purpose and measure what its users feel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap

import click

from kanae.cli.arguments import complete_drill, host_keys_option, spec_argument
from kanae.cli.confirm import ask_password
from kanae.cli.drill_run import OUTPUT, raise_unless_passed, run_drill, say
from kanae.drills.judging import history, thresholds
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import to_json
from kanae.drills.running import past_runs
from kanae.drills.scenarios.catalogue import DRILLS
from kanae.errors import UsageError
from kanae.operations.drill_recovery import recover_drills
from kanae.report.drill_text import LEADER_LOST, comparison_text, verdict_text
from kanae.report.html import page
from kanae.spec.load import load
from kanae.transport.acceptance import HostKeys

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group("drill")
def command() -> None:
    """Break the cluster on purpose, and measure what its users feel."""


command.add_command(run_drill)


@command.command("list")
@OUTPUT
def list_drills(output: str) -> None:
    """All drills and their limits."""
    data = thresholds.load()
    if output == "json":
        rows = [
            {
                "name": drill.name,
                "title": drill.title,
                "target": str(drill.target),
                "limits": {kind: thresholds.limits(data, drill.name, kind) for kind in _KINDS},
                "leaderLimits": {
                    kind: thresholds.leader_limits(data, drill.name, kind) for kind in _KINDS
                },
            }
            for drill in DRILLS.values()
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for drill in DRILLS.values():
        _wrapped(f"{drill.name:17} ", drill.title)
        for kind in _KINDS:
            _show(kind, thresholds.limits(data, drill.name, kind))
            instead = thresholds.leader_limits(data, drill.name, kind)
            if instead:
                _show(f"{kind}, {LEADER_LOST}", instead)


def _show(when: str, limits: Mapping[str, float]) -> None:
    # A limit is not broken in the middle.
    shown = ", ".join(f"{metric}\0<=\0{limit:g}" for metric, limit in limits.items())
    _wrapped(f"{'':20}", f"{when}: {shown}")


def _wrapped(begin: str, text: str) -> None:
    """In 80 columns, further lines below where the first begins."""
    lines = wrap(
        text,
        80,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_on_hyphens=False,
        break_long_words=False,
    )
    click.echo("\n".join(lines).replace("\0", " "))


_KINDS = ("haproxy", "nginx")


@command.command("report")
@spec_argument
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with timelines there.")
@click.option(
    "--drill",
    "only",
    metavar="NAME",
    shell_complete=complete_drill,
    help="Only runs of this drill.",
)
@click.option("--last", type=click.IntRange(1), default=20, help="How many runs, newest last.")
def report(spec: Path, html: Path | None, only: str | None, last: int) -> None:
    """Runs so far, compared; with --html as a page that needs nothing else."""
    name = load(spec).name
    for folder in past_runs.in_progress(name):
        say(f"left out: {folder.name} is still being made")
    found = list(past_runs.judged(past_runs.files(name, only)[-last:]))
    if not found:
        raise UsageError(f"no runs of {name} so far", remedy="kanae drill run NAME SPEC")
    click.echo(comparison_text([verdict for _, verdict in found]))
    if html is not None:
        html.write_text(page(found))
        say(f"wrote {html}")


@command.command("check")
@_FILE
@click.option("--thresholds", "limits_file", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with timelines there.")
@OUTPUT
def check_file(file: Path, limits_file: Path | None, html: Path | None, output: str) -> None:
    """Judge a history FILE again, by its own limits or by those of a file."""
    found = history.read(file)
    limits = validity = leader_limits = None
    if limits_file is not None:
        data = thresholds.load(limits_file)
        limits = thresholds.limits(data, found.header.drill, found.header.balancer)
        leader_limits = thresholds.leader_limits(data, found.header.drill, found.header.balancer)
        validity = thresholds.validity(data)
    verdict = check(found, limits, validity, leader_limits)
    if html is not None:
        html.write_text(page([(found, verdict)]))
    click.echo(to_json(verdict) if output == "json" else verdict_text(verdict), nl=False)
    raise_unless_passed([verdict])


@command.command("recover")
@spec_argument
@host_keys_option
def recover_runs(spec: Path, host_keys: HostKeys) -> None:
    """Put back what an interrupted run has left broken."""
    recovering = recover_drills(load(spec), say=say, password=ask_password, host_keys=host_keys)
    if not asyncio.run(recovering):
        say("nothing to put back")
