"""Which setting wins: the host's in the spec, the cluster's, ssh_config's, ssh's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kanae import paths
from kanae.spec.models import Spec, Sudo
from kanae.transport.settings import Reach, names, reach_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of its own, with an empty ~/.ssh."""
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def _spec(cluster: Mapping[str, object], host: Mapping[str, object] | None = None) -> Spec:
    return Spec.model_validate(
        {
            "name": "demo",
            "kubernetes": "v1.37.2",
            "ssh": cluster,
            "hosts": {
                "m1": {"address": "10.0.0.1", "roles": ["control-plane"], "ssh": host or {}},
                "w1": {"address": "10.0.0.2", "roles": ["worker"]},
            },
        }
    )


CLUSTER = {
    "user": "admin",
    "port": 2200,
    "key": "/keys/cluster",
    "knownHosts": "/known/cluster",
    "jump": "gate",
    "sudo": "password",
    "connectTimeout": 3,
}
HOST = {
    "user": "root",
    "port": 2201,
    "key": "/keys/m1",
    "knownHosts": "/known/m1",
    "jump": "other@gate:23",
    "sudo": "none",
    "connectTimeout": 4,
}


def test_a_host_takes_each_setting_of_the_cluster() -> None:
    assert reach_of(_spec(CLUSTER), "m1") == Reach(
        host="m1",
        address="10.0.0.1",
        alias="10.0.0.1",
        user="admin",
        port=2200,
        key=Path("/keys/cluster"),
        known_hosts=Path("/known/cluster"),
        jump="gate",
        sudo=Sudo.PASSWORD,
        connect_timeout=3,
        accepted=paths.known_hosts("demo"),
    )


def test_each_setting_of_a_host_beats_the_clusters_and_is_for_it_alone() -> None:
    spec = _spec(CLUSTER, HOST)
    assert reach_of(spec, "m1") == Reach(
        host="m1",
        address="10.0.0.1",
        alias="10.0.0.1",
        user="root",
        port=2201,
        key=Path("/keys/m1"),
        known_hosts=Path("/known/m1"),
        jump="other@gate:23",
        sudo=Sudo.NONE,
        connect_timeout=4,
        accepted=paths.known_hosts("demo"),
    )
    assert reach_of(spec, "w1").user == "admin"


@pytest.mark.parametrize("field", HOST)
def test_a_host_may_set_one_field_and_keep_the_others(field: str) -> None:
    both = reach_of(_spec(CLUSTER, {field: HOST[field]}), "m1")
    name = {"knownHosts": "known_hosts", "connectTimeout": "connect_timeout"}.get(field, field)
    for other in ("user", "port", "key", "known_hosts", "jump", "sudo", "connect_timeout"):
        source = _spec(CLUSTER, HOST) if other == name else _spec(CLUSTER)
        assert getattr(both, other) == getattr(reach_of(source, "m1"), other)


def test_what_nobody_sets_is_left_to_ssh_config() -> None:
    assert reach_of(_spec({}), "m1") == Reach(
        "m1", "10.0.0.1", "10.0.0.1", accepted=paths.known_hosts("demo")
    )


def test_paths_may_begin_with_the_home_directory(home: Path) -> None:
    reach = reach_of(_spec({"key": "~/k", "knownHosts": "~/h", "config": "~/c"}), "m1")
    assert (reach.key, reach.known_hosts, reach.config) == (home / "k", home / "h", home / "c")


def test_ssh_config_is_the_specs_else_the_labs_else_the_users(home: Path) -> None:
    def found(cluster: Mapping[str, object]) -> Path | None:
        return reach_of(_spec(cluster), "m1").config

    assert found({}) is None
    own = home / ".ssh" / "config"
    own.write_text("")
    assert found({}) == own
    guest = paths.guest_config("demo")
    guest.parent.mkdir(parents=True, exist_ok=True)
    guest.write_text("")
    assert found({}) == guest
    lab = paths.lab_dir("demo") / "ssh_config"
    lab.parent.mkdir(parents=True, exist_ok=True)
    lab.write_text("")
    assert found({}) == lab
    assert found({"config": "/mine"}) == Path("/mine")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Host m1\n", True),
        ("Host other m1\n", True),
        ("host=m1\n", True),
        ('Host "m1"\n', True),
        ("  Host m*\n", True),
        ("Host m?\n", True),
        ("Host *\n", False),
        ("Host m* !m1\n", False),
        ("Host !m2 m*\n", True),
        ("Host m2\n", False),
        ("Host 10.0.0.1\n", False),
        ("# Host m1\n", False),
        ("HostName m1\n", False),
        ("", False),
    ],
)
def test_a_host_line_that_means_this_very_host_makes_its_name_the_alias(
    home: Path, text: str, named: bool
) -> None:
    (home / ".ssh" / "config").write_text(text)
    assert names(home / ".ssh" / "config", "m1") is named
    assert reach_of(_spec({}), "m1").alias == ("m1" if named else "10.0.0.1")


INCLUDED = ("conf.d/*", "conf.d/10-lab", "~/.ssh/conf.d/*", "{home}/.ssh/*/*", '"conf.d/*"')


@pytest.mark.parametrize("line", INCLUDED)
def test_included_files_name_hosts_too(home: Path, line: str) -> None:
    (home / ".ssh" / "conf.d").mkdir()
    (home / ".ssh" / "conf.d" / "10-lab").write_text("Host m1\n")
    (home / ".ssh" / "config").write_text(f"Include {line.format(home=home)}\n")
    assert names(home / ".ssh" / "config", "m1")
    assert not names(home / ".ssh" / "config", "w1")


def test_a_file_that_includes_itself_comes_to_an_end(home: Path) -> None:
    config = home / ".ssh" / "config"
    config.write_text("Include config\nHost w1\n")
    assert not names(config, "m1")
    assert names(config, "w1")
