"""`kanae check`: all findings of all hosts, without changing anything."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from kanae.artifacts import fetch
from kanae.artifacts.sources import choose
from kanae.cli.confirm import ask_password
from kanae.cli.output import emit, output_option
from kanae.cli.session import Session, arches
from kanae.errors import CheckFailed, KanaeError
from kanae.facts.model import Facts
from kanae.spec.models import ArtifactSource
from kanae.transport.fleet import Fleet, FleetError
from kanae.verify.gate import inspect
from kanae.verify.model import Finding, Severity, Subject
from kanae.verify.run import as_line, errors, judge

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


@click.command("check")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Skip a named check.")
@output_option
def command(spec: Path, ignored: tuple[str, ...], output: str) -> None:
    """Check every host of SPEC, and the hosts against each other.

    Hosts that have not joined are also probed: round trips between hosts, and the disk under etcd
    with some 460 kB of small writes. Ends with 4 when there are errors, or with 10 to 14, as
    apply, when hosts that cannot be reached are all that is wrong.

    \b
    Examples:
      kanae check cluster.yaml
      kanae check cluster.yaml --ignore memory --ignore product-uuid
      kanae check cluster.yaml -o json | jq -r '.[] | select(.severity=="error") | .host'
    """
    session = Session.open(spec)
    judge(Subject(session.spec, Facts({})), ignored)  # refuses unknown names before hosts are asked
    subject = asyncio.run(_inspect(session))
    findings = judge(subject, ignored)
    emit([asdict(finding) for finding in findings], output, lambda: _text(subject, findings))
    if wrong := errors(findings):
        raise click.exceptions.Exit(_exit_code(subject, wrong))


def _exit_code(subject: Subject, wrong: Sequence[Finding]) -> int:
    """As apply would end: by the cause, when all that is wrong is that hosts are not reached."""
    if all(finding.check == "reachable" for finding in wrong):
        return FleetError(subject.facts.unreachable).exit_code
    return CheckFailed.exit_code


async def _inspect(session: Session) -> Subject:
    async with Fleet(session.spec, password=ask_password, tolerant=True) as fleet:
        subject = await inspect(session.spec, fleet)
    missing = await asyncio.to_thread(missing_artifacts, session, arches(subject.facts))
    return replace(subject, missing_artifacts=missing)


def missing_artifacts(session: Session, wanted: frozenset[str]) -> tuple[str, ...]:
    """Ids of artifacts that are not in the cache and whose source does not answer."""
    had = session.lookup(wanted)
    items = fetch.select([session.site.release], sorted(wanted), None)
    lost = tuple(item for item in items if item.id not in had)
    if not lost or _obtainable(session, lost):
        return ()
    return tuple(item.id for item in lost)


def _obtainable(session: Session, items: tuple[fetch.Item, ...]) -> bool:
    source = session.spec.artifacts.source
    mirror = session.spec.artifacts.mirror
    if source is ArtifactSource.BUNDLE:
        return False  # what a bundle has was found by the look-up
    try:
        with choose(
            ArtifactSource.BUILD if source is ArtifactSource.BUILD else ArtifactSource.AUTO,
            [session.site.release],
            items,
            session.store,
            mirror=mirror.urls if mirror else None,
        ) as choice:
            builds = choice.supplier.label == "build"
    except KanaeError:
        return False
    if not builds:
        return True
    # `auto` falls back to building when nothing answers; only where the spec lets it, and with Go.
    allowed = source in {ArtifactSource.BUILD, ArtifactSource.AUTO}
    return allowed and shutil.which("go") is not None


def _text(subject: Subject, findings: tuple[Finding, ...]) -> str:
    lines: list[str] = []
    for finding in findings:
        word = click.style(f"{finding.severity.value:<8}", fg=_COLOURS[finding.severity])
        lines.append(word + as_line(finding).replace("\n    ", "\n          "))
    count = {kind: sum(f.severity is kind for f in findings) for kind in Severity}
    hosts = len(subject.spec.hosts)
    lines.append(
        f"{hosts} {'host' if hosts == 1 else 'hosts'}: {count[Severity.ERROR]} errors, "
        f"{count[Severity.WARNING]} warnings, {count[Severity.INFO]} notes"
    )
    return "\n".join(lines) + "\n"
