"""Each kind of resource: what it asks, when it differs, and what it does about it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kanae.facts.model import FileFact, HostFacts, ObjectKey, Query, UnitFact
from kanae.layout import marks, units
from kanae.layout.families import DEBIAN, RHEL, UBUNTU, UNKNOWN
from kanae.layout.family import Family, Need
from kanae.layout.marks import MANAGED
from kanae.resources.artifact import Binary, Image
from kanae.resources.file import Absent, Directory, File
from kanae.resources.model import Difference, Resource, merge, text_diff
from kanae.resources.system import Modules, Packages, SwapOff, Sysctl
from kanae.resources.unit import NoUnit, Unit

from ...model.fixtures import READ_AT, V2

NONE: frozenset[str] = frozenset()
BARE = HostFacts("h", READ_AT, V2)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of(path: str, content: str = "", **changes: Any) -> HostFacts:
    """Facts of a host with this file."""
    fact = FileFact("file", 0o644, "root:root", len(content), sha(content), "", content)
    return replace(BARE, files={path: replace(fact, **changes)})


def verb(resource: Resource, facts: HostFacts) -> str | None:
    found = resource.difference(facts, NONE)
    return None if found is None else found.verb


KINDS = [
    File("/a", "text"),
    Directory("/d"),
    Absent("/gone"),
    Binary("/bin/x", "binary/x", "v1", "sha256:00", 1_000_000),
    Image("registry/x:1", "image/x", "sha256:00", 1_000_000),
    Sysctl("net.ipv4.ip_forward", "1"),
    Modules(("overlay",)),
    SwapOff(),
    Packages((Need.CONNTRACK,), DEBIAN),
    Unit("x.service"),
    NoUnit("y.service", "/y"),
]


def test_keys_are_unique() -> None:
    assert len({each.key for each in KINDS}) == len(KINDS)
    assert File("/a", "text").key == Absent("/a").key, "a path is one thing, wanted or not"
    assert Unit("a").key == NoUnit("a", "/a").key, "and so is a unit"


FILE = File("/etc/x", "new\n", 0o600, "root:adm")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BARE, "create"),
        (of("/etc/x", "new\n", mode=0o600, owner="root:adm"), None),
        (of("/etc/x", "old\n", mode=0o600, owner="root:adm"), "update"),
        (of("/etc/x", "new\n", mode=0o644, owner="root:adm"), "update"),
        (of("/etc/x", "new\n", mode=0o600, owner="root:root"), "update"),
        (of("/etc/x", "", kind="directory"), "update"),
    ],
    ids=["missing", "same", "content", "mode", "owner", "folder"],
)
def test_a_file(facts: HostFacts, expected: str | None) -> None:
    assert verb(FILE, facts) == expected


def test_a_file_tells_what_changes() -> None:
    found = FILE.difference(of("/etc/x", f"# {MANAGED}\nold\n"), NONE)
    assert found is not None
    assert found.diff.splitlines()[-3:] == [f"-# {MANAGED}", "-old", "+new"]
    modes = FILE.difference(of("/etc/x", "new\n"), NONE)
    assert modes == Difference("update", "0644 root:root -> 0600 root:adm")
    mark = File("/var/lib/kanae/marks/cluster", "new").difference(
        of("/var/lib/kanae/marks/cluster", "old"), NONE
    )
    assert mark is not None
    assert "-old" in mark.diff


@pytest.mark.parametrize("text", ["password = 'hunter22'\n", None])
def test_what_somebody_else_wrote_is_not_shown(text: str | None) -> None:
    facts = of("/etc/x", "password = 'hunter22'\n", text=text)
    whose = "" if text is None else "is not kanae's, "
    fact = facts.files["/etc/x"]
    assert fact is not None
    wanted = Difference("update", f"{whose}{fact.size} -> 4 bytes")
    assert FILE.difference(facts, NONE) == wanted


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BARE, "create"),
        (of("/d", kind="directory", mode=0o700), None),
        (of("/d", kind="directory", mode=0o755), "update"),
        (of("/d", kind="directory", mode=0o700, owner="x:x"), "update"),
        (of("/d", kind="file"), "update"),
    ],
    ids=["missing", "same", "mode", "owner", "file"],
)
def test_a_folder(facts: HostFacts, expected: str | None) -> None:
    assert verb(Directory("/d", 0o700), facts) == expected


def test_a_file_that_must_not_be_there() -> None:
    assert verb(Absent("/etc/x"), BARE) is None
    assert verb(Absent("/etc/x"), of("/etc/x")) == "delete"


BINARY = Binary("/bin/x", "binary/x", "v1", f"sha256:{sha('bytes')}", 5)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BARE, "create"),
        (of("/bin/x", "bytes", mode=0o755), None),
        (of("/bin/x", "other", mode=0o755), "update"),
        (of("/bin/x", "bytes", mode=0o644), "update"),
        (of("/bin/x", "bytes", kind="directory", mode=0o755), "update"),
    ],
    ids=["missing", "same", "content", "mode", "folder"],
)
def test_a_binary(facts: HostFacts, expected: str | None) -> None:
    assert verb(BINARY, facts) == expected


@pytest.mark.parametrize(
    ("images", "digest", "expected"),
    [
        (None, "sha256:1", "create"),
        ({}, "sha256:1", "create"),
        ({"r:1": "sha256:1"}, "sha256:1", None),
        ({"r:1": "sha256:2"}, "sha256:1", "update"),
        ({"r:1": "sha256:2"}, "", None),
    ],
    ids=["no containerd", "missing", "same", "other", "digest not known"],
)
def test_an_image(images: dict[str, str] | None, digest: str, expected: str | None) -> None:
    assert verb(Image("r:1", "image/r", digest, 1), replace(BARE, images=images)) == expected


@pytest.mark.parametrize("active", ["active", "inactive"])
def test_an_image_of_which_a_running_containerd_told_nothing_in_time(active: str) -> None:
    containerd = UnitFact("loaded", active, "enabled")
    facts = replace(BARE, images=None, units={units.CONTAINERD: containerd})
    found = Image("r:1", "image/r", "sha256:1", 1).difference(facts, NONE)
    assert found is not None
    assert ("unless it is there" in found.detail) == (active == "active")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "update"), ("0", "update"), ("1", None), ("1 ", None)],
)
def test_a_kernel_setting(value: str | None, expected: str | None) -> None:
    facts = replace(BARE, sysctls={"net.ipv4.ip_forward": value})
    assert verb(Sysctl("net.ipv4.ip_forward", "1"), facts) == expected


def test_a_kernel_setting_of_several_numbers_is_compared_by_them() -> None:
    facts = replace(BARE, sysctls={"net.ipv4.tcp_rmem": "1\t2\t3"})
    assert verb(Sysctl("net.ipv4.tcp_rmem", "1 2 3"), facts) is None


def test_modules_are_loaded_unless_they_are_there_or_built_in() -> None:
    assert verb(Modules(("overlay", "vxlan")), BARE) is None
    unloaded = replace(V2, unloaded_modules=frozenset({"br_netfilter", "bridge"}))
    found = Modules(("overlay", "br_netfilter")).difference(replace(BARE, base=unloaded), NONE)
    assert found == Difference("run", "load br_netfilter")


def test_a_module_that_the_kernel_lacks_is_not_tried() -> None:
    assert verb(Modules(("overlay", "ip_vs")), BARE) is None


def test_swap_is_turned_off_where_there_is_some() -> None:
    assert verb(SwapOff(), BARE) is None
    swapping = replace(BARE, base=replace(V2, swap=512 * 2**20))
    assert SwapOff().difference(swapping, NONE) == Difference("update", "512 MiB -> off")


def test_only_packages_that_are_missing_are_named() -> None:
    wanted = Packages((Need.CONNTRACK, Need.IPTABLES), DEBIAN)
    assert wanted.key == "package:conntrack, iptables"
    facts = replace(BARE, packages={"conntrack": "1.4", "iptables": None})
    assert wanted.difference(facts, NONE) == Difference("create", "install iptables")
    assert verb(wanted, replace(BARE, packages={"conntrack": "1", "iptables": "1"})) is None


def test_packages_are_asked_for_by_all_families_names_and_judged_by_the_hosts_own() -> None:
    needs = (Need.CONNTRACK, Need.CURL)
    on_debian, on_rhel = Packages(needs, DEBIAN), Packages(needs, RHEL)
    asked = Query(packages=("conntrack", "conntrack-tools", "curl"))
    assert on_debian.query() == on_rhel.query() == asked
    facts = replace(BARE, packages={"conntrack": None, "conntrack-tools": "1.4", "curl": "8"})
    assert on_debian.difference(facts, NONE) == Difference("create", "install conntrack")
    assert verb(on_rhel, facts) is None
    assert verb(Packages(needs, UNKNOWN), BARE) is None


PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
case "$*" in *install*) [ -e "$CALLS.fresh" ] ;; *) : >"$CALLS.fresh" ;; esac
"""


@pytest.mark.parametrize(
    ("family", "manager", "package"),
    [
        (DEBIAN, "apt-get", "conntrack"),
        (UBUNTU, "apt-get", "conntrack"),
        (RHEL, "dnf", "conntrack-tools"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_packages_are_installed_by_the_familys_manager_and_once_more_with_new_lists(
    tmp_path: Path, family: Family, manager: str, package: str
) -> None:
    for name in ("apt-get", "dnf"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    script = f"set -e\n{Packages((Need.CONNTRACK, Need.SOCAT), family).apply()}\n"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(
        ["sh", "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == ""
    first, refresh, second = calls.read_text().splitlines()
    assert first == second
    assert first.startswith(f"{manager} install ")
    assert first.endswith(f" {package} socat")
    assert refresh.startswith(f"{manager} ")
    assert " install" not in refresh


UNIT = Unit("x.service", restart_on=("file:/unit",), reload_on=("file:/config",))
RUNS = UnitFact("loaded", "active", "enabled")


def with_unit(fact: UnitFact | None, **marks: str) -> HostFacts:
    named = {f"{act}-x.service": text for act, text in marks.items()}
    return replace(BARE, units={"x.service": fact}, marks=named)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (None, None),
        (UnitFact("not-found", "inactive", ""), None),
        (UnitFact("masked", "inactive", "masked"), None),
        (UnitFact("loaded", "active", "enabled"), "delete"),
        (UnitFact("loaded", "inactive", "disabled"), "delete"),
        (UnitFact("loaded", "activating", "enabled"), "delete"),
        (UnitFact("not-found", "active", ""), "delete"),
    ],
)
def test_a_unit_that_is_not_wanted_goes_where_it_is(
    fact: UnitFact | None, expected: str | None
) -> None:
    unwanted = NoUnit("x.service", "/etc/systemd/system/x.service")
    assert verb(unwanted, with_unit(fact)) == expected
    assert unwanted.query() == Query(units=("x.service",))


SYSTEMCTL = """
systemctl() {
    echo "$*" >>"$0.log"
    case "$1" in disable) return "$DISABLE" ;; stop) return "$STOP" ;; esac
}
"""


@pytest.mark.parametrize(
    ("there", "disable", "stop", "succeeds"),
    [
        (True, 0, 0, True),
        (True, 1, 0, False),
        (True, 0, 1, False),
        (False, 1, 0, True),
        (False, 1, 5, True),
    ],
    ids=["whole", "not disabled", "does not stop", "its file has gone", "not known any more"],
)
def test_the_file_of_a_unit_goes_only_when_it_has_stopped_and_an_interrupted_run_is_made_good(
    tmp_path: Path, there: bool, disable: int, stop: int, succeeds: bool
) -> None:
    path, script = tmp_path / "x.service", tmp_path / "script"
    if there:
        path.write_text("")
    script.write_text(f"set -e\n{SYSTEMCTL}\n{NoUnit('kanae-test.service', str(path)).apply()}\n")
    environment = {**os.environ, "DISABLE": str(disable), "STOP": str(stop)}
    ended = subprocess.run(["sh", str(script)], env=environment, check=False)
    assert (ended.returncode == 0) is succeeds
    assert path.exists() is not succeeds
    called = (tmp_path / "script.log").read_text().splitlines()
    assert (called[-1] == "daemon-reload") is succeeds


@pytest.mark.parametrize(
    ("facts", "changed", "detail"),
    [
        (with_unit(None), NONE, "enable and start"),
        (with_unit(UnitFact("not-found", "inactive", "")), NONE, "enable and start"),
        (with_unit(RUNS), NONE, None),
        (with_unit(UnitFact("loaded", "active", "disabled")), NONE, "enable"),
        (with_unit(UnitFact("loaded", "failed", "enabled")), NONE, "start (is failed)"),
        (
            with_unit(UnitFact("masked", "inactive", "masked")),
            NONE,
            "unmask, enable, start (is inactive)",
        ),
        (with_unit(RUNS), frozenset({"file:/unit"}), "restart (/unit changes)"),
        (with_unit(RUNS), frozenset({"file:/config"}), "reload (/config changes)"),
        (with_unit(RUNS), frozenset({"file:/unit", "file:/config"}), "restart (/unit changes)"),
        (with_unit(RUNS), frozenset({"file:/else"}), None),
        (
            with_unit(RUNS, restart=""),
            NONE,
            "restart (was due when an earlier run was interrupted)",
        ),
        (with_unit(RUNS, reload=""), NONE, "reload (was due when an earlier run was interrupted)"),
    ],
)
def test_a_unit(facts: HostFacts, changed: frozenset[str], detail: str | None) -> None:
    found = UNIT.difference(facts, changed)
    assert (None if found is None else found.detail) == detail


def test_a_restart_that_is_due_is_marked_before_and_unmarked_after() -> None:
    [mark] = UNIT.marks(frozenset({"file:/unit", "file:/config"}))
    assert (mark.path, mark.mode) == (f"{marks.FOLDER}/restart-x.service", 0o600)
    [mark] = UNIT.marks(frozenset({"file:/config"}))
    assert mark.path == f"{marks.FOLDER}/reload-x.service"
    assert UNIT.marks(NONE) == ()
    lines = UNIT.apply().splitlines()
    assert lines[-1] == f"rm -f {marks.FOLDER}/restart-x.service {marks.FOLDER}/reload-x.service"


def test_a_unit_that_somebody_else_starts_is_only_enabled() -> None:
    kubelet = Unit("kubelet.service", restart_on=("file:/unit",), running=False)
    facts = replace(BARE, units={"kubelet.service": UnitFact("loaded", "inactive", "enabled")})
    assert kubelet.difference(facts, frozenset({"file:/unit"})) is None
    assert kubelet.marks(frozenset({"file:/unit"})) == ()
    assert "start" not in kubelet.apply()


def test_names_cannot_break_out_of_the_lines() -> None:
    evil = "/a b;reboot"
    for resource in (Directory(evil), Absent(evil), Sysctl(evil, "1")):
        assert " reboot" not in resource.apply().replace("'", "' ")
        assert "'" in resource.apply()


def test_one_query_asks_everything_once_in_the_order_given() -> None:
    key = ObjectKey("configmaps", "kube-system", "x")
    merged = merge(
        [
            Query(files=("/b", "/a"), units=("u",)),
            Query(files=("/a", "/c"), images=True, objects=(key,)),
            Query(cluster=True, objects=(key,)),
        ]
    )
    assert merged.files == ("/b", "/a", "/c")
    assert merged.objects == (key,)
    assert (merged.images, merged.cluster, merged.etcd) == (True, True, False)


def test_a_long_difference_is_cut_and_says_how_much_is_left() -> None:
    lines = text_diff("", "".join(f"{n}\n" for n in range(500)), "/x").splitlines()
    assert lines[:2] == ["--- /x (is)", "+++ /x (wanted)"]
    assert len(lines) == 201
    assert lines[-1] == "... 303 more lines"
