"""Questions to the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from kanae.errors import OfferedKey, UsageError


def confirmed(question: str) -> bool:
    """Ask before harm. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes")
    return click.confirm(question, err=True)


def named(hosts: Sequence[str]) -> bool:
    """Have each host's name typed before it is removed; whether all were. Raises UsageError where
    nobody can answer: --yes does not say which hosts are meant."""
    if not sys.stdin.isatty():
        words = " ".join(f"--remove {host}" for host in hosts)
        raise UsageError(
            f"{', '.join(hosts)} would be removed from the cluster, which --yes alone does not do",
            remedy=f"say {words}",
        )
    for host in hosts:
        if click.prompt(f"type {host} to remove it from the cluster", err=True) != host:
            return False
    return True


confirm_option = click.option(
    "--confirm",
    metavar="NAME",
    help="The cluster's name, instead of being asked for it.",
)


def name_said(confirm: str | None, cluster: str, spec: str) -> bool:
    """Whether the name of the cluster of a spec was said with --confirm. spec: its file's name, for
    messages. Raises UsageError for another cluster's name."""
    if confirm is not None and confirm != cluster:
        raise UsageError(
            f"--confirm says {confirm!r}, and the cluster of {spec} is {cluster!r}",
            remedy="say the name of the cluster that is meant",
        )
    return confirm is not None


def typed(cluster: str, what: str) -> bool:
    """Have a cluster's name typed before harm to all of it; whether it was. what: completes "to go
    on". Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"there is no terminal to ask for the name of the cluster on, to go on {what}",
            remedy=f"say --confirm {cluster}",
        )
    question = f"type {cluster} to go on {what}"
    answer: str = click.prompt(question, default="", show_default=False, err=True)
    return answer == cluster


def host_key_accepted(offered: OfferedKey) -> bool:
    """Ask for the word `yes`; nothing else will do. False where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    click.echo(f"{offered.host}: {offered.where} shows the host key\n  {offered}", err=True)
    if offered.known:
        click.secho("which is not the known one:", fg="red", err=True)
        for known in offered.known:
            click.echo(f"  {known}", err=True)
        click.echo("The machine was installed anew, or somebody is in between.", err=True)
    else:
        click.echo("and no key of it is known.", err=True)
    question = "Is it the one on the host's own console? Accept it (yes or no)"
    answer: str = click.prompt(question, default="no", show_default=True, err=True)
    return answer == "yes"


def ask_password() -> str | None:
    """None where nobody can answer."""
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt("sudo password", hide_input=True, err=True)
    return answer
