"""Arguments that verbs share: the spec that is meant, what a shell completes, slips of the pen."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from kanae import cli
from kanae.artifacts import catalogue
from kanae.errors import ArtifactError, SpecError
from kanae.lab import record
from kanae.lab.record import HostRecord, LabRecord, Phase
from kanae.lab.release import Image
from kanae.operations.project import Project
from kanae.spec.load import STANDARD_INPUT, load

SPEC = """name: demo
kubernetes: v1.37.2
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
  w1: {address: 192.0.2.2, roles: [worker]}
"""
WITH_ARCHIVE = f"{SPEC}images:\n  - source: app.tar\n"
WITH_MANIFEST = (
    f"{SPEC}networks:\n  podNetwork:\n    provider: manifests\n"
    "    manifests:\n    - {source: net.yaml}\n"
)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def _typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def _status(*words: str) -> int:
    try:
        cli.main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _verbs_with_a_spec() -> list[tuple[str, ...]]:
    """All of them, as words on the command line."""

    def found(group: click.Group, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        ctx = click.Context(group)
        rows: list[tuple[str, ...]] = []
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                rows += found(command, (*words, name))
            elif command and {"spec", "specs"} & {p.name for p in command.params}:
                rows.append((*words, name))
        return rows

    return found(cli.command, ())


# What these verbs want before the spec.
BEFORE_SPEC: dict[tuple[str, ...], tuple[str, ...]] = {
    ("backup", "show"): ("newest",),
    ("backup", "verify"): ("newest",),
    ("drill", "run"): ("power-cut",),
    ("restore",): ("--discard",),
    ("replace",): ("m1",),
}


@pytest.mark.parametrize("words", _verbs_with_a_spec(), ids=" ".join)
def test_without_a_spec_and_a_cluster_yaml_every_verb_says_so(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(*words, *BEFORE_SPEC.get(words, ())) == 2
    assert (
        "no SPEC is given, and there is no cluster.yaml in this folder" in capsys.readouterr().err
    )


@pytest.mark.parametrize("words", _verbs_with_a_spec(), ids=" ".join)
def test_without_a_spec_the_cluster_yaml_of_the_folder_is_read(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cluster.yaml").write_text("name: [\n")
    assert _status(*words, *BEFORE_SPEC.get(words, ())) == 3
    assert "error: cluster.yaml:" in capsys.readouterr().err


def test_a_spec_may_come_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    _typed(monkeypatch, SPEC)
    assert list(load(STANDARD_INPUT).hosts) == ["m1", "w1"]
    _typed(monkeypatch, "name: Demo\n")
    with pytest.raises(SpecError, match="standard input:1:7: name: "):
        load(STANDARD_INPUT)


def test_paths_of_a_spec_on_standard_input_are_meant_from_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("net.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: net}}")
    _typed(monkeypatch, WITH_MANIFEST)
    opened = Project.open(STANDARD_INPUT)
    assert opened.folder == tmp_path
    assert [document["kind"] for document in opened.site.manifests] == ["Namespace"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (WITH_ARCHIVE, "cluster.yaml:7:13: images[0].source: app.tar: No such file"),
        (
            WITH_MANIFEST,
            "cluster.yaml:10:16: networks.podNetwork.manifests[0].source: net.yaml: No such file",
        ),
    ],
)
def test_a_file_that_is_not_there_is_named_by_its_place_in_the_spec(text: str, place: str) -> None:
    Path("cluster.yaml").write_text(text)
    with pytest.raises(ArtifactError) as caught:
        Project.open(Path("cluster.yaml"))
    assert caught.value.message.startswith(place)
    assert caught.value.remedy == "paths are relative to the spec's folder"


def test_what_has_no_line_is_told_without_one() -> None:
    with pytest.raises(SpecError) as caught:
        load(Path("none.yaml"))
    assert str(caught.value) == "none.yaml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["aply"], "apply"), (["stauts"], "status"), (["drill", "rnu"], "run")],
)
def test_a_verb_that_was_nearly_right_is_suggested(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(*words) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("role", "meant"),
    [
        ("master", "control-plane"),
        ("Masters", "control-plane"),
        ("controlplane", "control-plane"),
        ("node", "worker"),
        ("workers", "worker"),
        ("lb", "load-balancer"),
        ("loadBalancer", "load-balancer"),
        ("kubectl", "client"),
    ],
)
def test_a_role_by_another_name_is_recognised(role: str, meant: str) -> None:
    Path("cluster.yaml").write_text(SPEC.replace("[worker]", f"[{role}]"))
    with pytest.raises(SpecError, match=f"did you mean {meant}\\?"):
        load(Path("cluster.yaml"))


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_has_a_short_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(option) == 0
    assert capsys.readouterr().out.startswith("kanae, version ")


def _lab(name: str, *hosts: str) -> None:
    record.write(
        record.labs_folder() / name,
        LabRecord(
            name=name,
            phase=Phase.UP,
            boot="",
            subnet=IPv4Network("10.9.9.0/24"),
            gateway=IPv4Address("10.9.9.254"),
            bases={Image.BOOKWORM: Path("/base")},
            operator_password="p",
            hosts=tuple(
                HostRecord(name=host, address=IPv4Address(f"10.9.9.{i}"), index=i, machine_id="")
                for i, host in enumerate(hosts, 1)
            ),
        ),
    )


def _completed(*words: str) -> set[str]:
    *before, incomplete = words
    found = ShellComplete(cli.command, {}, "kanae", "_KANAE_COMPLETE").get_completions(
        before, incomplete
    )
    return {item.value for item in found if item.type == "plain"}


def _one_lab() -> None:
    _lab("one", "a1", "a2")


def _two_labs() -> None:
    _one_lab()
    _lab("two", "b1")


def _spec() -> None:
    Path("other.yaml").write_text(SPEC)


def _spec_of_the_folder() -> None:
    Path("cluster.yaml").write_text(SPEC)


@pytest.mark.parametrize(
    ("make", "words", "values"),
    [
        (_spec, ("drill", "run", "kill-e"), {"kill-etcd", "kill-etcd-leader"}),
        (_spec, ("drill", "report", "--drill", "power-c"), {"power-cut"}),
        (_spec, ("drill", "run", "power-cut", "other.yaml", "--target", ""), {"m1", "w1"}),
        (_spec, ("drill", "run", "power-cut", "--from", ""), set[str]()),
        (_spec_of_the_folder, ("drill", "run", "power-cut", "--from", "w"), {"w1"}),
        (_spec, ("apply", "--ignore", "memo"), {"memory"}),
        (_two_labs, ("lab", "down", ""), {"one", "two"}),
        (_two_labs, ("lab", "status", "--lab", "t"), {"two"}),
        (_one_lab, ("lab", "ssh", ""), {"a1", "a2"}),
        (_two_labs, ("lab", "ssh", "one/"), {"one/a1", "one/a2"}),
        (_two_labs, ("lab", "power-cut", "--lab", "two", ""), {"b1"}),
        (_two_labs, ("lab", "partition", "one/a1", "two"), {"two/b1"}),
    ],
)
def test_a_shell_completes_names(
    make: Callable[[], None], words: tuple[str, ...], values: set[str]
) -> None:
    make()
    assert _completed(*words) == values


def test_the_sample_spec_is_found_by_every_verb_that_follows() -> None:
    """`kanae init` and the verbs agree on the name of the file."""
    assert _status("init") == 0
    assert load(Path("cluster.yaml")).version == catalogue.load().versions()[0]


def test_a_successor_does_not_get_the_commands_for_the_old_machines_power(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Told, with the edit, before anything is written."""
    file = Path("cluster.yaml")
    file.write_text(SPEC.replace("[worker]}", "[worker], power: {off: [bmc, w1]}}"))
    before = file.read_text()
    assert _status("replace", "w1", "--with", "w2=192.0.2.3") == 2
    told = capsys.readouterr().err
    assert "+  w2: {address: 192.0.2.3, roles: [worker]}" in told
    assert "note: hosts.w1.power switches the old machine, so it goes" in told
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--also", "w9"), "cluster.yaml has no host 'w9'"),
        (("--also", "m1"), "m1 is the only control-plane host"),
        (("--also", "m1", "--with", "192.0.2.3"), "--with and --also cannot be said together"),
    ],
)
def test_who_is_replaced_together_with_another_is_looked_at_alike(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    Path("cluster.yaml").write_text(SPEC)
    assert _status("replace", "w1", *words, "--yes") != 0
    assert why in capsys.readouterr().err
