"""Every verb in every form of its output, what it wants to be tried with, and how it must end."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML, YAMLError

from kanae import cli
from kanae.errors import LabError
from kanae.lab import lab as labs

SPEC = """name: demo
kubernetes: v1.37.2
ssh: {port: 9, connectTimeout: 0.5}
hosts:
  m1: {address: 192.0.2.11, roles: [control-plane, worker]}
  c1: {address: 192.0.2.12, roles: [client]}
"""
# For the home of who reads it: nothing listens at port 9 of this machine.
SSH_CONFIG = "Host *\n  HostName 127.0.0.1\n"
# What a verb wants besides its options, and what keeps it from going on for minutes: PORTAL is
# where a captive portal answers.
MIRROR = ("--source", "mirror", "--mirror", "dl.k8s.io=PORTAL")
WORDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("init",): ("new.yaml",),
    ("apply",): ("--yes",),
    ("reset",): ("--yes",),
    ("certificates", "renew"): ("--yes",),
    ("restore",): ("--discard", "--confirm", "demo"),
    ("completion",): ("bash",),
    ("artifacts", "fetch"): ("kubeadm", *MIRROR),
    ("bundle", "create"): ("none/b.tar", *MIRROR),
    ("bundle", "verify"): ("b.tar",),
    ("bundle", "inspect"): ("b.tar",),
    ("backup", "show"): ("newest",),
    ("backup", "verify"): ("newest",),
    ("backup", "prune"): ("--yes",),
    ("drill", "run"): ("power-cut", "cluster.yaml", "--yes"),
    ("drill", "check"): ("history.jsonl",),
    ("lab", "down"): ("demo", "--yes"),
    ("lab", "ssh"): ("m1", "--", "true"),
    **{("lab", verb): ("m1",) for verb in ("power-off", "power-cut", "power-on", "pause")},
    ("lab", "resume"): ("m1",),
    ("lab", "partition"): ("m1",),
}


def _commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    def found(group: click.Group, before: tuple[str, ...]) -> Iterator[Any]:
        ctx = click.Context(group)
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from found(command, (*before, name))
            elif command is not None:
                yield (*before, name), command

    return found(cli.command, ())


def _forms() -> Iterator[tuple[str, ...]]:
    """Every verb's words, with each form of output that it has."""
    for verb, command in _commands():
        outputs = [p for p in command.params if "--output" in p.opts]
        choices = [o.type.choices for o in outputs if isinstance(o.type, click.Choice)]
        words = (*verb, *WORDS.get(verb, ()))
        for choice in choices[0] if choices else [None]:
            yield (*verb, "-o", str(choice), *words[len(verb) :]) if choice else words


FORMS = tuple(_forms())


@contextmanager
def ended() -> Generator[list[int]]:
    codes: list[int] = []
    try:
        yield codes
        codes.append(0)
    except SystemExit as end:
        codes.append(int(end.code or 0))


def faults(
    given: str,
    prepare: Callable[[pytest.MonkeyPatch], None],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    portal: str = "http://127.0.0.1:9",
) -> list[str]:
    """What is wrong with how each verb ended, in a folder of its own in which there is what
    `prepare` puts there. given: a name for that. portal: where a captive portal answers.
    """

    def up(*_: object) -> None:
        raise LabError("no lab is made here")

    def clean(*_: object) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(labs, "up", up)
    monkeypatch.setattr(labs, "clean", clean)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    found: list[str] = []
    for number, words in enumerate(FORMS):
        here = folder / str(number)
        here.mkdir()
        with monkeypatch.context() as patch:
            patch.chdir(here)
            for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
                patch.setenv(name, str(here))
            prepare(patch)
            capsys.readouterr()
            with ended() as codes:
                cli.main([word.replace("PORTAL", portal) for word in words])
        said = capsys.readouterr()
        line = f"{given}: kanae {' '.join(words)}: {codes} {said.err[-300:]}"
        if "Traceback" in said.out + said.err or codes == [70] or codes == [1]:
            found.append(line)
        if "\x1b" in said.out or (codes != [0] and not said.out + said.err):
            found.append(line)
        # A program that reads it gets a document, or nothing.
        if said.out and {"json", "yaml"} & set(words):
            found += _unread(said.out, line)
    return found


def _unread(out: str, line: str) -> list[str]:
    try:
        YAML(typ="safe", pure=True).load(out)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
    except YAMLError as error:
        return [f"{line}: {error}"]
    return []
