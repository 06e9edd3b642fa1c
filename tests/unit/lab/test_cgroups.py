"""Control groups in folders that look like the kernel's; the version 2 path is tried only here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab.cgroups import Cgroups

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
42 23 8:1 / / rw - ext4 /dev/vda rw
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_hybrid_machine_has_every_hierarchy_once() -> None:
    found = Cgroups.parse(HYBRID)
    assert list(found.v1) == ["cpu,cpuacct", "freezer", "name=systemd"]
    assert found.unified == Path("/sys/fs/cgroup/unified")
    assert found.version == "hybrid"
    assert found.has_freezer


def test_other_machines_are_told_apart() -> None:
    assert Cgroups.parse(V2).version == "v2"
    assert Cgroups.parse(HYBRID.replace("cgroup2", "tmpfs")).version == "v1"
    assert Cgroups.parse("").version == "none"


def test_hybrid_machine_without_a_v1_freezer_cannot_freeze() -> None:
    assert not Cgroups.parse(HYBRID.replace("freezer", "pids")).has_freezer


@pytest.fixture
def v1(tmp_path: Path) -> Cgroups:
    for name in ("cpuset", "freezer"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset/cpuset.mems").write_text("0\n")
    return Cgroups({name: tmp_path / name for name in ("cpuset", "freezer")}, None)


@pytest.fixture
def v2(tmp_path: Path) -> Cgroups:
    for folder in ("", "kanae", "kanae/lab"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (tmp_path / folder / "cgroup.subtree_control").write_text("memory\n")
    return Cgroups({}, tmp_path)


def test_new_cpuset_group_gets_its_parent_s_processors(v1: Cgroups) -> None:
    cpuset = v1.v1["cpuset"]
    for folder in ("kanae", "kanae/lab", "kanae/lab/h1"):
        (cpuset / folder).mkdir()
        (cpuset / folder / "cpuset.cpus").write_text("\n")
        (cpuset / folder / "cpuset.mems").write_text("\n")
    v1.create("kanae/lab/h1")
    assert (cpuset / "kanae/lab/h1/cpuset.cpus").read_text() == "0-1\n"
    assert (cpuset / "kanae/lab/h1/cpuset.mems").read_text() == "0\n"


def test_group_is_made_in_every_hierarchy_and_removed_depth_first(v1: Cgroups) -> None:
    paths = v1.create("kanae/lab/h1")
    assert len(paths) == 2
    assert all(path.is_dir() for path in paths)
    (paths[1] / "kubepods/pod1").mkdir(parents=True)
    assert v1.children("kanae/lab") == {"h1"}
    v1.remove("kanae/lab")
    assert not any(path.exists() for path in v1.paths("kanae/lab"))
    v1.remove("kanae/lab")


def test_removing_an_empty_top_spares_one_that_is_in_use(v1: Cgroups) -> None:
    v1.create("kanae/lab")
    v1.remove_if_empty("kanae")
    assert v1.children("kanae") == {"lab"}


def test_members_are_those_of_the_group_and_below_in_any_hierarchy(v1: Cgroups) -> None:
    first, second = v1.create("kanae/lab/h1")
    (first / "cgroup.procs").write_text("10\n11\n")
    (second / "deep").mkdir()
    (second / "deep/cgroup.procs").write_text("11\n12\n0\n")
    assert v1.members("kanae/lab") == {10, 11, 12}


def test_v1_freezes_through_the_freezer_s_state(v1: Cgroups) -> None:
    v1.create("kanae/lab/h1")
    v1.freeze("kanae/lab/h1")
    state = v1.v1["freezer"] / "kanae/lab/h1/freezer.state"
    assert state.read_text() == "FROZEN"
    assert v1.frozen("kanae/lab/h1")
    v1.thaw("kanae/lab/h1")
    assert not v1.frozen("kanae/lab/h1")


def test_v2_delegates_every_controller_down_to_the_host(v2: Cgroups) -> None:
    v2.create("kanae/lab/h1")
    assert v2.unified is not None
    for folder in ("", "kanae", "kanae/lab"):
        # The kernel takes one controller at a time; the last one written is seen in a plain file.
        assert (v2.unified / folder / "cgroup.subtree_control").read_text() == "+pids"
    assert not (v2.unified / "kanae/lab/h1/cgroup.subtree_control").exists()


def test_v2_freezes_through_cgroup_freeze(v2: Cgroups) -> None:
    (group,) = v2.create("kanae/lab/h1")
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    v2.freeze("kanae/lab/h1")
    assert (group / "cgroup.freeze").read_text() == "1"
    with pytest.raises(LabError, match="did not thaw"):
        v2.thaw("kanae/lab/h1", seconds=0)
    assert (group / "cgroup.freeze").read_text() == "0"


def test_pid_that_has_left_the_group_is_not_killed(
    v1: Cgroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This very process stands in the group at the first look and not at the second."""
    v1.create("kanae/lab/h1")
    looks = iter([frozenset({os.getpid()}), frozenset[int](), frozenset[int]()])

    def members(self: Cgroups, group: str) -> frozenset[int]:
        return next(looks)

    monkeypatch.setattr(Cgroups, "members", members)
    v1.kill("kanae/lab/h1")


def test_one_host_at_a_time_may_have_real_time_priority(tmp_path: Path) -> None:
    groups = ("kanae", "kanae/a", "kanae/a/h1", "kanae/a/h2", "kanae/b", "kanae/b/h1", "other")
    for group in groups:
        (tmp_path / group).mkdir()
        (tmp_path / group / "cpu.rt_runtime_us").write_text("0")
    cgroups = Cgroups({"cpu,cpuacct": tmp_path}, None)

    def allowed() -> set[str]:
        settings = {group: (tmp_path / group / "cpu.rt_runtime_us").read_text() for group in groups}
        return {group for group, setting in settings.items() if setting != "0"}

    cgroups.allow_realtime("kanae/a/h2")
    assert allowed() == {"kanae", "kanae/a", "kanae/a/h2"}
    cgroups.allow_realtime("kanae/b/h1")
    assert allowed() == {"kanae", "kanae/b", "kanae/b/h1"}


def test_where_real_time_has_no_groups_there_is_nothing_to_do(v2: Cgroups) -> None:
    v2.allow_realtime("kanae/lab/h1")
    assert v2.unified is not None
    assert not list(v2.unified.rglob("cpu.rt_runtime_us"))


def test_a_group_weighs_as_much_as_it_is_told(tmp_path: Path, v2: Cgroups) -> None:
    (tmp_path / "kanae/lab/cpu.shares").write_text("1024")
    Cgroups({"cpu,cpuacct": tmp_path}, None).weigh("kanae/lab", 0.1)
    assert (tmp_path / "kanae/lab/cpu.shares").read_text() == "102"
    (tmp_path / "kanae/lab/cpu.weight").write_text("100")
    v2.weigh("kanae/lab", 0.1)
    assert (tmp_path / "kanae/lab/cpu.weight").read_text() == "10"
