"""`kanae status`: how the cluster is, from the hosts themselves."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.confirm import ask_password
from kanae.cli.output import ago, emit, output_option
from kanae.errors import CheckFailed
from kanae.operations.project import Project
from kanae.operations.status import status
from kanae.transport.acceptance import HostKeys
from kanae.verify.backups import backup_words
from kanae.verify.certificates import words
from kanae.verify.status import Status

MIB = 1 << 20
# Exit code when something differs from the spec, as with `kanae plan --exit-code`.
DIFFERS = 2
# Of one host more than this many changes are counted and not named, unless asked for.
NAMED = 3


@click.command("status")
@spec_argument
@click.option("-v", "--verbose", is_flag=True, help="Show every certificate.")
@click.option(
    "--exit-code",
    is_flag=True,
    help="End with 0 when it is healthy and as SPEC says, 2 when something differs, 4 when it is "
    "not healthy or that cannot be told.",
)
@host_keys_option
@output_option
def command(spec: Path, verbose: bool, exit_code: bool, host_keys: HostKeys, output: str) -> None:
    """Show nodes, etcd, balancers, certificates, and whether anything differs from SPEC.

    Everything but the nodes is asked of the hosts themselves, so it is there when the API is down.

    \b
    Examples:
      kanae status cluster.yaml
      kanae status cluster.yaml -o json | jq '.etcd[] | select(.leader).host'
      kanae status cluster.yaml --exit-code >/dev/null || echo "look at it"
    """
    found = asyncio.run(status(Project.open(spec), ask_password, host_keys))
    emit(_data(found), output, lambda: _text(found, verbose))
    if exit_code and (code := _exit_code(found)):
        raise click.exceptions.Exit(code)


def _exit_code(found: Status) -> int:
    if not found.healthy or found.drift is None:
        return CheckFailed.exit_code
    return DIFFERS if found.drift else 0


def _data(found: Status) -> dict[str, Any]:
    data = asdict(found)
    data["healthy"] = found.healthy
    data["reasons"] = found.reasons
    if found.backup is not None and found.backup.newest is not None:
        data["backup"]["newest"] = found.backup.newest.isoformat()
    for certificate in data["certificates"]:
        certificate["not_after"] = certificate["not_after"].isoformat()
    data["units"] = [
        {"host": host, "unit": unit, "state": state} for host, unit, state in found.units
    ]
    return data


def _text(found: Status, verbose: bool) -> str:
    lines = [
        f"cluster      {found.cluster} {found.version}".rstrip(),
        f"API          {_word(found.api, 'ready', 'NOT READY')}",
    ]
    lines += _unreachable(found)
    lines += [f"unit         {host}: {unit} is {state}" for host, unit, state in found.units]
    for node in found.nodes:
        word = "?" if node.ready is None else _word(node.ready, "ready", "NOT READY")
        roles = ", ".join(node.roles)
        lines.append(f"node         {node.host:<16} {word} {node.kubelet} {roles} {node.problem}")
    for workload in found.workloads:
        serves = workload.serving is not None and workload.serving.all
        detail = workload.problem or workload.serving
        lines.append(
            f"pods         {_word(serves, 'serve', 'DO NOT SERVE')} {workload.name}: {detail}"
        )
    for member in found.etcd:
        what = "leader" if member.leader else "learner" if member.learner else "member"
        word = _word(member.healthy, "healthy", "NOT HEALTHY")
        detail = (
            f"{member.version}, {member.size / MIB:.1f} MiB ({member.in_use / MIB:.1f} in use), "
            f"{member.lag} entries behind"
            if member.version
            else ""
        )
        lines.append(
            f"etcd         {member.host:<16} {word} {what} {detail} {' '.join(member.errors)}"
        )
    for host, backends in found.balancers.items():
        for backend in backends:
            word = _word(backend.up, "up", "DOWN")
            lines.append(f"balancer     {host:<16} {word} {backend.name}: {backend.state}")
    lines += _certificates(found, verbose)
    lines += _backup(found)
    lines += _drift(found, verbose)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _backup(found: Status) -> list[str]:
    backup = found.backup
    if backup is None:
        return []
    wrong = [f"backup       {click.style(each, fg='red')}" for each in backup_words(backup)]
    if backup.age is None:
        return [*wrong, f"backup       none yet, every {backup.every}"]
    passed = ago(timedelta(seconds=backup.age))
    return [*wrong, f"backup       {backup.host:<16} {passed} ago, every {backup.every}"]


def _unreachable(found: Status) -> list[str]:
    """A remedy that several hosts share is said once, below the last of them."""
    lines: list[str] = []
    remedies: dict[str, list[str]] = {}
    for host, lost in found.unreachable.items():
        why = f"unreachable  {host:<16} {click.style(lost.why, fg='red')}"
        remedies.setdefault(lost.remedy, []).append(why)
    for remedy, hosts in remedies.items():
        lines += hosts
        if remedy:
            lines.append(f"{'':<30}remedy: {remedy}")
    return lines


def _drift(found: Status, verbose: bool) -> list[str]:
    if found.drift is None:
        return ["drift        cannot be told"]
    if not found.drift:
        return ["drift        none"]
    changes = "1 change" if found.drift == 1 else f"{found.drift} changes"
    lines = [f"drift        {changes}, see: kanae plan"]
    for host, differs in found.differs.items():
        named = differs if verbose else differs[:NAMED]
        lines += [f"drift        {host:<16} {what}" for what in named]
        if len(named) < len(differs):
            lines.append(f"drift        {host:<16} and {len(differs) - len(named)} more")
    return lines


def _certificates(found: Status, verbose: bool) -> list[str]:
    """All, or those that have ended or should have been renewed."""
    shown = [c for c in found.certificates if verbose or c.soon]
    lines = [
        f"certificate  {c.host:<16} "
        + (click.style(words(c), fg="red") if c.soon else f"{c.days} days left: {c.path}")
        for c in shown
    ]
    rest = [c for c in found.certificates if c not in shown]
    if rest and not verbose:
        soonest = rest[0]
        lines.append(
            f"certificate  {len(rest)} more, the first of them ends in {soonest.days} days "
            f"({soonest.host}:{soonest.path})"
        )
    return lines


def _word(good: bool, yes: str, no: str) -> str:
    return click.style(yes, fg="green") if good else click.style(no, fg="red", bold=True)
