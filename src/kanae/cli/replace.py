"""`kanae replace`: a host that is lost, or is to be, by another machine."""

from __future__ import annotations

import asyncio
import difflib
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

import click

from kanae.cli.arguments import (
    asked_host_keys_option,
    complete_host,
    ignore_option,
    spec_argument,
)
from kanae.cli.confirm import ask_password, confirmed
from kanae.cli.outcome import carried_out
from kanae.cli.output import output_option
from kanae.cli.terminal import Terminal
from kanae.errors import UsageError
from kanae.operations import replace as replacing
from kanae.operations.change import Ending
from kanae.operations.project import Project
from kanae.transport.acceptance import HostKeys


class _Successor(click.ParamType[tuple[str, IPv4Address]]):
    """NAME=ADDRESS, or an address alone: (name or "", address)."""

    name = "host"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, IPv4Address]:
        name, _, address = str(value).rpartition("=")
        try:
            return name, IPv4Address(address)
        except AddressValueError:
            self.fail(f"{value!r} is neither NAME=ADDRESS nor an IPv4 address", param, ctx)


@click.command("replace")
@click.argument("host", shell_complete=complete_host)
@spec_argument
@click.option(
    "--with",
    "successor",
    type=_Successor(),
    metavar="[NAME=]ADDRESS",
    help="Another machine than the one at the host's address. The spec is edited, which is shown "
    "first.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="HOST",
    shell_complete=complete_host,
    help="Another host that is replaced together with it, by a machine of its name and address: "
    "where both are dead, or have left and came back. May be repeated.",
)
@click.option(
    "--off",
    is_flag=True,
    help="The old machine certainly has no power: nothing waits for it, its volumes are released "
    "at once.",
)
@click.option(
    "--cut-power",
    is_flag=True,
    help="Where nothing answers, cut its power first, by the spec's command (power.off).",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("-v", "--verbose", is_flag=True, help="Show every step of the plans.")
@ignore_option
@click.option("--break-lease", is_flag=True, help="Take the lease from an operator who holds it.")
@asked_host_keys_option
@output_option
def command(
    host: str,
    spec: Path,
    successor: tuple[str, IPv4Address] | None,
    also: tuple[str, ...],
    off: bool,
    cut_power: bool,
    yes: bool,
    verbose: bool,
    ignored: tuple[str, ...],
    break_lease: bool,
    host_keys: HostKeys,
    output: str,
) -> None:
    """Replace HOST of the cluster of SPEC by another machine.

    By default one of the same name and address: new hardware, or the same installed anew. The old
    machine need not answer; one that does is drained, stopped and wiped first. It leaves the
    balancers, etcd and the cluster; then its successor joins. May be interrupted at any time and
    run again.

    \b
    Examples:
      kanae replace server1 cluster.yaml
      kanae replace worker3 cluster.yaml --off --yes
      kanae replace server2 cluster.yaml --also server4
      kanae replace server1 cluster.yaml --with server4=192.168.1.14
    """
    hosts = tuple(dict.fromkeys((host, *also)))
    if successor and also:
        raise UsageError(
            "--with and --also cannot be said together",
            remedy="take the hosts out of the spec and apply, then put their successors in and "
            "apply again",
        )
    project = Project.open(spec)
    name, address = successor or ("", None)
    without_power = hosts if off else ()
    if not replacing.put_already(project, host, name, address):
        for each in hosts:
            _require(project, each)
        replacing.require_others(project, hosts)
        if cut_power:
            cut = [each for each in hosts if _cut_power(project, each, yes)]
            without_power = tuple(dict.fromkeys((*without_power, *cut)))
        if address is not None:
            project = _edit(project, host, name or host, address, yes)
    told = " and ".join(hosts)
    joining = f"Let the new {name or told} join {project.spec.name}?"
    leaving = Terminal(f"Take {told} out of {project.spec.name}?", yes, verbose, hosts)
    changing = replacing.replace(
        project,
        hosts,
        ignored,
        leaving,
        Terminal(joining, yes, verbose),
        off=without_power,
        moved=address is not None,
        break_lease=break_lease,
        host_keys=host_keys,
    )
    ending = carried_out(changing, output).ending
    if ending is Ending.DECLINED:
        raise click.Abort
    done = f"{told} {'has' if len(hosts) == 1 else 'have'} been replaced"
    nothing = "nothing is to be done: the hosts are as the spec says"
    click.echo(nothing if ending is Ending.NOTHING_TO_DO else done, err=True)


def _require(project: Project, host: str) -> None:
    if host not in project.spec.hosts:
        raise UsageError(
            f"{project.text.name} has no host {host!r}",
            remedy=f"its hosts: {', '.join(project.spec.hosts)}",
        )


def _cut_power(project: Project, host: str, yes: bool) -> bool:
    if not yes and not confirmed(f"Cut the power of {host}, if nothing answers there?"):
        raise click.Abort
    cut = asyncio.run(replacing.cut_power(project, host, ask_password))
    told = "its power has been cut" if cut else "something answers there: it keeps its power"
    click.echo(f"{host}: {told}", err=True)
    return cut


def _edit(project: Project, host: str, name: str, address: IPv4Address, yes: bool) -> Project:
    text = replacing.edited(project, host, name, address)
    if text.text == project.text.text:
        return project
    diff = difflib.unified_diff(
        project.text.text.splitlines(), text.text.splitlines(),
        f"{project.file} (is)", f"{project.file} (wanted)", n=2, lineterm="",
    )  # fmt: skip
    click.echo("\n".join(diff), err=True)
    if project.spec.hosts[host].power is not None:
        click.echo(
            f"note: hosts.{host}.power switches the old machine, so it goes; say the new one's in "
            f"{project.file}",
            err=True,
        )
    if not yes and not confirmed(f"Write this to {project.file}?"):
        raise click.Abort
    return replacing.write(project, text)
