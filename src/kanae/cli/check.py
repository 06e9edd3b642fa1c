"""`kanae check`: all findings of all hosts, without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from kanae.cli.arguments import host_keys_option, ignore_option, spec_argument
from kanae.cli.confirm import ask_password
from kanae.cli.output import emit, output_option
from kanae.errors import CheckFailed
from kanae.operations.check import Checked, check
from kanae.operations.project import Project
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import FleetError
from kanae.verify.model import Finding, Severity
from kanae.verify.run import alike, as_line, errors

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


@click.command("check")
@spec_argument
@ignore_option
@click.option(
    "--upgrade",
    is_flag=True,
    help="Look also for what may stand in the way of an upgrade to the version of SPEC.",
)
@host_keys_option
@output_option
def command(
    spec: Path, ignored: tuple[str, ...], upgrade: bool, host_keys: HostKeys, output: str
) -> None:
    """Check every host of SPEC, and the hosts against each other.

    Hosts that have not joined are also probed: round trips between hosts, and the disk under etcd
    with some 460 kB of small writes. Ends with 4 when there are errors, or with 10 to 14, as
    apply, when hosts that cannot be reached are all that is wrong.

    \b
    Examples:
      kanae check cluster.yaml
      kanae check cluster.yaml --ignore memory --ignore product-uuid
      kanae check cluster.yaml --upgrade
      kanae check cluster.yaml -o json | jq -r '.[] | select(.severity=="error") | .host'
    """
    project = Project.open(spec)
    found = asyncio.run(check(project, ignored, ask_password, host_keys, upgrade=upgrade))
    emit([asdict(finding) for finding in found.findings], output, lambda: _text(found))
    if wrong := errors(found.findings):
        raise click.exceptions.Exit(_exit_code(found, wrong))


def _exit_code(found: Checked, wrong: Sequence[Finding]) -> int:
    """As apply would end: by the cause, when all that is wrong is that hosts are not reached."""
    if all(finding.check == "reachable" for finding in wrong):
        return FleetError(found.subject.facts.unreachable).exit_code
    return CheckFailed.exit_code


def _text(found: Checked) -> str:
    lines: list[str] = []
    for finding in alike(found.findings):
        word = click.style(f"{finding.severity.value:<8}", fg=_COLOURS[finding.severity])
        lines.append(word + as_line(finding).replace("\n    ", "\n          "))
    count = {kind: sum(f.severity is kind for f in found.findings) for kind in Severity}
    hosts = len(found.subject.spec.hosts)
    lines.append(
        f"{hosts} {'host' if hosts == 1 else 'hosts'}: {count[Severity.ERROR]} errors, "
        f"{count[Severity.WARNING]} warnings, {count[Severity.INFO]} notes"
    )
    return "\n".join(lines) + "\n"
