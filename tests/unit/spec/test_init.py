"""`kanae init`: samples that load as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kanae.cli.init import command
from kanae.errors import Refused, UsageError
from kanae.spec.load import load, loads
from kanae.spec.sample import SAMPLES, sample

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(*arguments: str) -> None:
    CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("topology", SAMPLES)
def test_every_sample_loads_and_is_short(topology: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    run(str(file), "--topology", topology)
    assert load(file).name == topology
    assert len(file.read_text().splitlines()) < 30


@pytest.mark.parametrize("topology", SAMPLES)
def test_a_sample_has_the_hosts_and_roles_of_the_example(topology: str) -> None:
    text = sample(topology, name="x", file="x.yaml", kubernetes="v1.37.2")
    example = load(EXAMPLES / f"{topology}.yaml")
    roles = [sorted(host.roles) for host in loads(text, "x").hosts.values()]
    assert roles == [sorted(host.roles) for host in example.hosts.values()]
    assert loads(text, "x").load_balancer.kind == example.load_balancer.kind


def test_commented_settings_are_valid_when_taken_in(tmp_path: Path) -> None:
    text = sample("single", name="x", file="x.yaml", kubernetes="v1.37.2")
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("# ssh:"))
    end = next(n for n, line in enumerate(lines) if line.startswith("# Roles:"))
    taken = [line.removeprefix("# ") for line in lines[start:end]]
    assert loads("\n".join([*lines[:start], *taken, *lines[end:]]), "x").ssh.user == "admin"


def test_an_existing_file_is_left_alone_without_force(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("mine")
    with pytest.raises(Refused, match="left as it is"):
        run(str(file))
    assert file.read_text() == "mine"
    run(str(file), "--force")
    assert load(file).name == "three-machines"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        run(str(tmp_path / "none" / "cluster.yaml"))
