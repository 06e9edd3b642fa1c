"""`kanae completion`: the script by which a shell completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from kanae.errors import UsageError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      kanae completion bash > /etc/bash_completion.d/kanae
      kanae completion zsh > "${fpath[1]}/_kanae"
      kanae completion fish > ~/.config/fish/completions/kanae.fish
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise UsageError(f"no completion for {shell}")
    root = ctx.find_root().command
    click.echo(completion(root, {}, "kanae", "_KANAE_COMPLETE").source())
