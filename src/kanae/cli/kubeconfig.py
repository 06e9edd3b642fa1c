"""`kanae kubeconfig`: the administrator's credentials on the operator's machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from kanae.cli.arguments import host_keys_option, spec_argument
from kanae.cli.confirm import ask_password
from kanae.execute.kubeconfig import to_text
from kanae.operations.kubeconfig import fetch, merge_into, own_file
from kanae.spec.load import load
from kanae.transport.acceptance import HostKeys


@click.command("kubeconfig")
@spec_argument
@click.option("--merge", is_flag=True, help="Put it into your own kubeconfig instead.")
@click.option(
    "--file",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --merge: which file. Default: the first in $KUBECONFIG, else ~/.kube/config.",
)
@host_keys_option
def command(spec: Path, merge: bool, target: Path | None, host_keys: HostKeys) -> None:
    """Print the cluster's kubeconfig, or merge it into your own.

    Merging keeps everything else in the file, and its current context; the context is called as
    the cluster. The file's mode becomes 0600.

    \b
    Examples:
      kanae kubeconfig cluster.yaml > cluster.kubeconfig
      kanae kubeconfig cluster.yaml --merge
    """
    loaded = load(spec)
    ours = asyncio.run(fetch(loaded, ask_password, host_keys))
    if not merge:
        click.echo(to_text(ours), nl=False)
        return
    file = target or own_file()
    merge_into(file, ours)
    click.echo(f"merged into {file}: kubectl --context {loaded.name} get nodes", err=True)
