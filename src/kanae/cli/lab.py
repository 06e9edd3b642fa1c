"""`kanae lab`: hosts on this machine that behave like bare metal."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanae.cli.arguments import completer, specs_argument
from kanae.cli.confirm import confirmed
from kanae.cli.output import emit, output_option
from kanae.errors import LabError, UsageError
from kanae.lab import faults, machine, record, release
from kanae.lab import lab as labs
from kanae.lab.hardware import Choice
from kanae.lab.lab import HostStatus, Lab
from kanae.lab.release import Image

if TYPE_CHECKING:
    from kanae.spec.models import Spec


def _labs(_ctx: click.Context) -> list[str]:
    return record.recorded()


def _lab_hosts(ctx: click.Context) -> list[str]:
    """HOST, or LAB/HOST where there are several labs and none is chosen."""
    chosen: str | None = ctx.params.get("lab_name")
    names = [chosen] if chosen else record.recorded()
    made = {name: record.read(record.labs_folder() / name) for name in names}
    return [
        f"{name}/{host.name}" if len(names) > 1 else host.name
        for name, lab in made.items()
        for host in (lab.hosts if lab is not None else ())
    ]


_LAB = click.option(
    "--lab",
    "lab_name",
    metavar="NAME",
    shell_complete=completer(_labs),
    help="Which lab, when there are several.",
)
_HOST = click.argument("host", shell_complete=completer(_lab_hosts))


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.group("lab")
def command() -> None:
    """Hosts on this machine that behave like bare metal.

    HOST is a name from the spec, or LAB/HOST when several labs are up.

    \b
    kanae lab up cluster.yaml                          all hosts Debian 12 (bookworm)
    kanae lab up cluster.yaml --image server4=trixie   server4 Debian 13
    kanae lab list -o json
    kanae lab ssh server4 -- cat /etc/os-release
    kanae lab power-cut server4
    kanae lab down cluster.yaml
    """


def _only_lab() -> str:
    match record.recorded():
        case []:
            raise LabError("there is no lab", remedy="kanae lab up SPEC")
        case [name]:
            return name
        case known:
            raise UsageError(f"there are several labs: {', '.join(known)}", remedy="say which")


def _find(host: str, lab_name: str | None) -> tuple[Lab, str]:
    name, slash, rest = host.partition("/")
    if slash:
        return Lab.open(name), rest
    return Lab.open(lab_name or _only_lab()), host


@command.command("up")
@specs_argument
@click.option(
    "--image",
    "images",
    metavar="[HOST=]IMAGE",
    multiple=True,
    help=f"Debian release of all hosts, or of HOST; may be repeated. IMAGE: {' or '.join(Image)} "
    f"(default {release.DEFAULT}).",
)
def up(specs: tuple[Path, ...], images: tuple[str, ...]) -> None:
    """Make and start one host for each entry of SPEC, with its name and address.

    With several specs (two clusters that share a balancer host) the lab has the first one's name
    and the hosts of all.

    \b
    kanae lab up cluster.yaml
    kanae lab up cluster.yaml --image trixie
    kanae lab up cluster.yaml --image trixie --image server1=bookworm
    """
    first, *guests = [_spec(path) for path in specs]
    hosts = [name for spec in (first, *guests) for name in spec.hosts]
    lab = labs.up(first, _say, guests, release.chosen(images, dict.fromkeys(hosts)))
    click.echo(_text(lab.status()))
    click.echo(f"ssh -F {lab.ssh.config} {lab.record.hosts[0].name}")


def _spec(path: Path) -> Spec:
    from kanae.spec.load import load  # here: most verbs of the lab read no YAML

    return load(path)


def _name_of(word: str) -> str:
    """A lab's name as it is, or that of a spec file."""
    return _spec(Path(word)).name if Path(word).is_file() else word


@command.command("down")
@click.argument("name", shell_complete=completer(_labs, file=True))
@click.option("-y", "--yes", is_flag=True, help="Do not ask. All disks of the hosts are lost.")
def down(name: str, yes: bool) -> None:
    """Remove a lab with all its hosts and their disks. NAME: the lab's, or the spec file.

    \b
    kanae lab down prod
    kanae lab down cluster.yaml --yes
    """
    machine.require_root()
    chosen = _name_of(name)
    if not (yes or confirmed(f"Remove the lab {chosen} with its hosts and all their disks?")):
        raise click.Abort
    labs.down(chosen, _say)
    _say(f"lab {chosen} is gone")


@command.command("clean")
def clean() -> None:
    """Remove leftovers of labs that were interrupted or have lost their record."""
    machine.require_root()
    removed = labs.clean(_say)
    _say(f"removed: {', '.join(removed)}" if removed else "nothing to remove")


@command.command("list")
@output_option
def list_labs(output: str) -> None:
    """Every host of every lab: name, address, image, state and the pid of its PID 1."""
    rows = [row for name in record.recorded() for row in _rows(name)]
    emit([_as_json(row) for row in rows], output, lambda: _text(rows))


def _rows(name: str) -> tuple[HostStatus, ...]:
    try:
        return Lab.open(name).status()
    except LabError as error:
        _say(str(error))
        return ()


def _as_json(row: HostStatus) -> dict[str, object]:
    return {
        "lab": row.lab,
        "name": row.name,
        "address": str(row.address),
        "image": row.image,
        "state": row.state.value,
        "leader": row.leader,
    }


def _text(rows: Sequence[HostStatus]) -> str:
    return "\n".join(
        f"{row.lab:<14} {row.name:<14} {row.address!s:<15} {row.image:<8} {row.state:<8} "
        f"{row.leader or '-'}"
        for row in rows
    )


@command.command("status")
@_LAB
@output_option
def status(lab_name: str | None, output: str) -> None:
    """One lab: its network, its hosts and their faults."""
    lab = Lab.open(lab_name or _only_lab())
    rows = lab.status()
    partitioned = faults.partitioned(lab)
    content = {
        "name": lab.record.name,
        "subnet": str(lab.record.subnet),
        "gateway": str(lab.record.gateway),
        "sshConfig": str(lab.ssh.config),
        "partitioned": partitioned,
        "hosts": [_as_json(row) for row in rows],
    }
    about = (
        f"lab {lab.record.name}: {lab.record.subnet}, this machine is {lab.record.gateway}\n"
        f"partitioned: {'yes' if partitioned else 'no'}\n"
        f"ssh config: {lab.ssh.config}\n"
    )
    emit(content, output, lambda: about + _text(rows))


@command.command("ssh", context_settings={"ignore_unknown_options": True})
@_LAB
@_HOST
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD]")
def ssh(lab_name: str | None, host: str, words: tuple[str, ...]) -> None:
    """A shell on HOST, or CMD there; input, output and exit status pass through.

    One word is a shell command line; several are the command and its arguments, as given.
    """
    lab, name = _find(host, lab_name)
    argv = lab.ssh.shell(lab.record.host(name))
    if words and sys.stdin.isatty() and sys.stdout.isatty():
        argv.append("-t")
    remote = words[0] if len(words) == 1 else shlex.join(words)
    argv += [name, "--", remote] if words else [name]
    try:
        os.execvp("ssh", argv)  # noqa: S606 (this process becomes ssh)
    except FileNotFoundError as error:
        raise LabError("no ssh program", remedy="apt-get install openssh-client") from error


@command.command("power-off")
@_LAB
@_HOST
def power_off(lab_name: str | None, host: str) -> None:
    """Shut HOST down gracefully."""
    machine.require_root()
    faults.power_off(*_find(host, lab_name))


@command.command("power-cut")
@_LAB
@_HOST
def power_cut(lab_name: str | None, host: str) -> None:
    """Pull HOST's cord: its peers hear nothing, its memory is lost, its disk stays."""
    machine.require_root()
    faults.power_cut(*_find(host, lab_name))


@command.command("power-on")
@_LAB
@_HOST
@click.option(
    "--blank",
    "choice",
    flag_value=Choice.BLANK,
    type=Choice,
    help="With a new, empty disk, machine-id and SSH host key, as new hardware has; what it had "
    "is kept aside, in place of what was kept there before.",
)
@click.option(
    "--old",
    "choice",
    flag_value=Choice.OLD,
    type=Choice,
    help="With what it had before --blank, the new being kept.",
)
@click.option("--new", "choice", flag_value=Choice.NEW, type=Choice, help="With the new again.")
def power_on(lab_name: str | None, host: str, choice: Choice | None) -> None:
    """Start HOST with the disk it had, and wait until its sshd answers.

    \b
    kanae lab power-on server1
    kanae lab power-on server1 --blank   a new machine under the same name and address
    kanae lab power-on server1 --old     the former one comes back in its place
    """
    machine.require_root()
    faults.power_on(*_find(host, lab_name), choice=choice)


@command.command("pause")
@_LAB
@_HOST
def pause(lab_name: str | None, host: str) -> None:
    """Stop every process of HOST where it is."""
    machine.require_root()
    faults.pause(*_find(host, lab_name))


@command.command("resume")
@_LAB
@_HOST
def resume(lab_name: str | None, host: str) -> None:
    """Let a paused HOST go on."""
    machine.require_root()
    faults.resume(*_find(host, lab_name))


@command.command("partition")
@_LAB
@click.argument("hosts", nargs=-1, required=True, shell_complete=completer(_lab_hosts))
@click.option(
    "--oneway",
    type=click.Choice(["in", "out"]),
    help="Drop only what goes to the hosts (in), or what comes from them (out).",
)
@click.option("--with-operator", is_flag=True, help="This machine still reaches the hosts.")
def partition(
    lab_name: str | None, hosts: tuple[str, ...], oneway: str | None, with_operator: bool
) -> None:
    """Cut HOSTS off from all others; among themselves they still talk."""
    machine.require_root()
    found = [_find(host, lab_name) for host in hosts]
    names = {lab.record.name for lab, _ in found}
    if len(names) > 1:
        raise UsageError(f"hosts of several labs: {', '.join(sorted(names))}")
    faults.partition(
        found[0][0],
        [name for _, name in found],
        oneway=faults.Oneway(oneway) if oneway else None,
        operator=with_operator,
    )


@command.command("heal")
@_LAB
def heal(lab_name: str | None) -> None:
    """Undo every partition of a lab."""
    machine.require_root()
    faults.heal(Lab.open(lab_name or _only_lab()))
