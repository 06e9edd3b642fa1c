"""`kanae kubeconfig`: the administrator's credentials on the operator's machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from kanae import paths
from kanae.cli.confirm import ask_password
from kanae.errors import HostError, StepFailed
from kanae.execute import kubeconfig
from kanae.execute.actions.client import admin_conf
from kanae.spec.load import load
from kanae.spec.models import Role, Spec
from kanae.transport.fleet import Fleet, FleetError


@click.command("kubeconfig")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--merge", is_flag=True, help="Put it into your own kubeconfig instead.")
@click.option(
    "--file",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --merge: which file. Default: the first in $KUBECONFIG, else ~/.kube/config.",
)
def command(spec: Path, merge: bool, target: Path | None) -> None:
    """Print the cluster's kubeconfig, or merge it into your own.

    Merging keeps everything else in the file, and its current context; the context is called as
    the cluster. The file's mode becomes 0600.

    \b
    Examples:
      kanae kubeconfig cluster.yaml > cluster.kubeconfig
      kanae kubeconfig cluster.yaml --merge
    """
    loaded = load(spec)
    ours = asyncio.run(_fetch(loaded))
    if not merge:
        click.echo(kubeconfig.to_text(ours), nl=False)
        return
    file = target or _own()
    existing = file.read_text() if file.exists() else ""
    write_private(file, kubeconfig.to_text(kubeconfig.merged(existing, ours)))
    click.echo(f"merged into {file}: kubectl --context {loaded.name} get nodes", err=True)


def _own() -> Path:
    """kubectl's own rule: the first path of $KUBECONFIG that is not empty."""
    named = [path for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return Path(named[0]) if named else Path.home() / ".kube/config"


async def _fetch(spec: Spec) -> kubeconfig.Document:
    masters = spec.having(Role.CONTROL_PLANE)
    async with Fleet(spec, masters, password=ask_password, tolerant=True) as fleet:
        return await admin(spec, fleet)


async def admin(spec: Spec, fleet: Fleet) -> kubeconfig.Document:
    """From the first control-plane host that has it. Raises why none of them gives it."""
    failed: dict[str, HostError] = {}
    for host in spec.having(Role.CONTROL_PLANE):
        try:
            return kubeconfig.named(await admin_conf(fleet[host]), spec.name)
        except StepFailed as error:
            failed[host] = StepFailed(
                error.host,
                error.command,
                error.status,
                error.stderr,
                remedy="the cluster is not built yet: kanae apply",
            )
        except HostError as error:
            failed[host] = error
    raise FleetError(failed)


async def save(spec: Spec, fleet: Fleet) -> Path:
    """Keep it with the cluster's state, for `kanae` itself and whoever wants a file of its own."""
    file = paths.cluster_dir(spec.name) / "kubeconfig"
    write_private(file, kubeconfig.to_text(await admin(spec, fleet)))
    return file


def write_private(file: Path, text: str) -> None:
    """Atomically, readable by its owner only from its first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.kanae")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)
