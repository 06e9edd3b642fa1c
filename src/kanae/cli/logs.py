"""`kanae logs`: what runs of a cluster did, from their journals on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from kanae.cli.arguments import DEFAULT_SPEC, completer, spec_argument, typed_spec
from kanae.cli.output import emit, output_option
from kanae.errors import UsageError
from kanae.execute.journal import RUN_ID, RunRecord, read_run, runs
from kanae.report.run_text import run_data, run_text, runs_text
from kanae.spec.load import load

LAST = "last"


def _runs(ctx: click.Context) -> Iterable[str]:
    return [LAST, *(path.stem for path in reversed(runs(load(typed_spec(ctx)).name)))]


@click.command("logs")
@spec_argument
@click.argument("run", required=False, shell_complete=completer(_runs))
@click.option("-v", "--verbose", is_flag=True, help="Show also steps that changed nothing.")
@output_option
def command(spec: Path, run: str | None, verbose: bool, output: str) -> None:
    """List the runs of apply and reset on the cluster of SPEC, or show one.

    RUN is a run's id, or `last`; without SPEC it is one of the cluster.yaml in this folder. Only
    runs that were begun on this machine are known.

    \b
    Examples:
      kanae logs cluster.yaml
      kanae logs last
      kanae logs cluster.yaml last -o json | jq -r '.steps[] | select(.error != "").host'
    """
    if run is None and not spec.exists() and _names_run(str(spec)):
        spec, run = DEFAULT_SPEC, str(spec)
    cluster = load(spec).name
    found = [record for path in runs(cluster) if (record := read_run(path)) is not None]
    if run is None:
        emit([run_data(record) for record in found], output, lambda: runs_text(found))
        return
    chosen = _chosen(cluster, found, run)
    emit(run_data(chosen), output, lambda: run_text(chosen, verbose=verbose))


def _names_run(word: str) -> bool:
    return word == LAST or RUN_ID.fullmatch(word) is not None


def _chosen(cluster: str, found: list[RunRecord], run: str) -> RunRecord:
    for record in reversed(found):
        if run in (LAST, record.started.run):
            return record
    raise UsageError(f"there is no run {run} of {cluster}", remedy="kanae logs SPEC lists them")
