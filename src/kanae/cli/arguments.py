"""Arguments and options that verbs share, and what a shell completes in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from kanae.cli.confirm import host_key_accepted
from kanae.errors import KanaeError, OfferedKey, UsageError
from kanae.transport.acceptance import HostKeys

DEFAULT_SPEC = Path("cluster.yaml")
Decorated = TypeVar("Decorated", bound=Callable[..., object])
Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def given_spec(given: Path | None) -> Path:
    """The spec that is meant, for verbs that need one only for some of what they are given."""
    if given is not None:
        return given
    if not DEFAULT_SPEC.exists():
        raise UsageError(
            f"no SPEC is given, and there is no {DEFAULT_SPEC} in this folder",
            remedy="name a file, or make one: kanae init",
        )
    return DEFAULT_SPEC


def _spec(ctx: click.Context, _parameter: click.Parameter, given: Path | None) -> Path:
    return given or (DEFAULT_SPEC if ctx.resilient_parsing else given_spec(None))


def _specs(
    ctx: click.Context, _parameter: click.Parameter, given: tuple[Path, ...]
) -> tuple[Path, ...]:
    return given or (DEFAULT_SPEC if ctx.resilient_parsing else given_spec(None),)


# A file; `-` is standard input, and without any the one of this folder.
spec_argument = click.argument(
    "spec", type=click.Path(path_type=Path), required=False, callback=_spec
)
specs_argument = click.argument(
    "specs", metavar="[SPEC]...", nargs=-1, type=click.Path(path_type=Path), callback=_specs
)


def completer(names: Callable[[click.Context], Iterable[str]], *, file: bool = False) -> Completer:
    """For `shell_complete`. names: all that there are. file: or the name of a file."""

    def complete(
        ctx: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            found = [CompletionItem(name) for name in names(ctx) if name.startswith(incomplete)]
        except KanaeError:
            found = []  # a spec with faults, or none: nothing is known
        return [*found, *([CompletionItem(incomplete, type="file")] if file else [])]

    return complete


def typed_spec(ctx: click.Context) -> Path:
    """The spec on a command line that is not complete yet, else the one that would be read."""
    # Behind an option that still lacks its value, click does not tell arguments apart.
    words = [Path(word) for word in ctx.args if Path(word).is_file()]
    return words[-1] if words else ctx.params.get("spec") or DEFAULT_SPEC


def _hosts(ctx: click.Context) -> Iterable[str]:
    from kanae.spec.load import load

    return load(typed_spec(ctx)).hosts


def _drills(_ctx: click.Context) -> Iterable[str]:
    from kanae.drills.scenarios.catalogue import DRILLS

    return DRILLS


def _checks(_ctx: click.Context) -> Iterable[str]:
    from kanae.verify.checks import CHECKS

    return [check.id for check in CHECKS]


complete_host = completer(_hosts)
complete_drill = completer(_drills)
ignore_option = click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="CHECK",
    shell_complete=completer(_checks),
    help="Skip a named check; may be repeated.",
)
off_option = click.option(
    "--off",
    "off",
    multiple=True,
    metavar="HOST",
    help="A host that leaves the cluster and certainly has no power: nothing waits for it, its "
    "volumes are released at once; may be repeated.",
)
# 43 digits of base64, which ssh shows without the padding.
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def accept_host_key_option(
    ask: Callable[[OfferedKey], bool] | None = None,
) -> Callable[[Decorated], Decorated]:
    """The parameter `host_keys` of a verb that connects. ask: about keys that are not given, for
    verbs that change hosts.
    """

    def accepted(
        _ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]
    ) -> HostKeys:
        found = [fingerprint.rstrip("=") for fingerprint in given]
        for fingerprint in found:
            if not _FINGERPRINT.fullmatch(fingerprint):
                raise click.BadParameter(
                    f"{fingerprint!r} is no fingerprint as `ssh-keygen -l` shows it, SHA256:...",
                    param=parameter,
                )
        return HostKeys(frozenset(found), ask, lambda line: click.echo(line, err=True))

    return click.option(
        "--accept-host-key",
        "host_keys",
        metavar="FINGERPRINT",
        multiple=True,
        callback=accepted,
        help="Trust the host that shows the key with this fingerprint (SHA256:...) from now on, "
        "though its key is unknown or has changed; may be repeated.",
    )


# For verbs that look, and for those that change hosts.
host_keys_option = accept_host_key_option()
asked_host_keys_option = accept_host_key_option(host_key_accepted)
