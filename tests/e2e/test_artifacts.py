"""Artifacts as users get them: real builds, real programs, the command line.

With a warm cache these take well under a minute; cold, the first of them builds Kubernetes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kanae.artifacts import catalogue, fetch, oci
from kanae.artifacts.build import programs
from kanae.artifacts.model import ArtifactSet, Kind
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store, hash_file
from kanae.spec.models import ArtifactSource

KANAE = (sys.executable, "-m", "kanae")


def kanae(*arguments: str, env: dict[str, str] | None = None, prefix: tuple[str, ...] = ()) -> Any:
    """Run a command with -o json and return what it wrote."""
    done = subprocess.run(
        [*prefix, *KANAE, *arguments, "-o", "json"],
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def artifacts() -> ArtifactSet:
    """Everything of the newest release, built, in the user's own cache."""
    release = catalogue.load().release("v1.37.2")
    return fetch.obtain(
        [release], ["amd64"], ArtifactSource.BUILD, store=Store(), progress=Silent()
    )


@pytest.fixture
def empty_cache(tmp_path: Path) -> dict[str, str]:
    """Variables that give kanae a cache of its own but leave Go's build cache warm."""
    gocache = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True)
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GOCACHE": gocache.stdout.strip()}


@pytest.mark.parametrize("version", ["v1.37.2", "v1.36.3"])
def test_names_and_tags_are_what_that_kubeadm_asks_for(version: str) -> None:
    release = catalogue.load().release(version)
    found = fetch.obtain(
        [release], ["amd64"], ArtifactSource.BUILD, store=Store(), names=["kubeadm"]
    )
    listed = subprocess.run(
        [found.binary("kubeadm").path, "config", "images", "list", "--kubernetes-version", version],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    ours = set(release.image_references().values())
    assert len(listed) == 7
    assert set(listed) <= ours


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("kubeadm", ["version", "-o", "short"], "v1.37.2"),
        ("kubelet", ["--version"], "Kubernetes v1.37.2"),
        ("kubectl", ["version", "--client"], "Client Version: v1.37.2"),
        ("etcd", ["--version"], "etcd Version: 3.7.3"),
        ("etcdctl", ["version"], "etcdctl version: 3.7.3"),
        ("containerd", ["--version"], "v2.4.2"),
        ("runc", ["--version"], "libseccomp"),
        ("crictl", ["--version"], "v1.36.0"),
        ("bridge", ["--version"], "v1.9.1"),
    ],
)
def test_built_programs_run_and_know_their_version(
    artifacts: ArtifactSet, name: str, arguments: list[str], said: str
) -> None:
    program = artifacts.binary(name).path
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr


def test_a_corrupted_cached_binary_is_detected_and_replaced(empty_cache: dict[str, str]) -> None:
    command = ("artifacts", "fetch", "loopback", "--source", "build")
    before = kanae(*command, env=empty_cache)[0]
    program = Path(before["path"])
    with program.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"corrupted")
    after = kanae(*command, env=empty_cache)[0]
    assert after == before
    assert hash_file(program) == before["digest"]


def test_verify_names_and_removes_what_was_corrupted(empty_cache: dict[str, str]) -> None:
    made = kanae("artifacts", "fetch", "pause", "--source", "build", env=empty_cache)[0]
    Path(made["path"]).write_bytes(b"corrupted")
    done = subprocess.run(
        [*KANAE, "artifacts", "verify", "-o", "json"], env=os.environ | empty_cache,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 7
    assert json.loads(done.stdout)["removed"] == [made["digest"]]
    assert not Path(made["path"]).exists()


def test_two_processes_that_want_one_artifact_build_it_once(
    empty_cache: dict[str, str], tmp_path: Path
) -> None:
    # A go that waits for a file before it builds, so that the second process meets the first.
    gate, go = tmp_path / "gate", tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(
        f'#!/bin/sh\nif [ "$1" = build ]; then echo built >> {tmp_path}/log\n'
        f'while [ ! -e {gate} ]; do sleep 0.05; done; fi\nexec {shutil.which("go")} "$@"\n'
    )
    go.chmod(0o755)
    env = os.environ | empty_cache | {"PATH": f"{go.parent}:{os.environ['PATH']}"}

    def start() -> subprocess.Popen[str]:
        command = [*KANAE, "artifacts", "fetch", "loopback", "--source", "build", "-o", "json"]
        return subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def read_until(process: subprocess.Popen[str], words: str) -> None:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        assert any(words in line for line in said)

    with start() as first:
        read_until(first, "building cni-plugins")
        with start() as second:
            read_until(second, "waiting for loopback")
            gate.touch()
            results = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert json.loads(results[0]) == json.loads(results[1])
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_bundle_satisfies_an_empty_cache_without_a_network(
    artifacts: ArtifactSet, empty_cache: dict[str, str], tmp_path: Path
) -> None:
    file = str(tmp_path / "bundle.tar")
    kanae("bundle", "create", file, "--kubernetes", "v1.37.2", "--source", "build")
    assert kanae("bundle", "verify", file)["problems"] == []
    alone = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    command = ("artifacts", "fetch", "--source", "bundle", "--bundle", file)
    found = kanae(*command, prefix=alone, env=empty_cache)
    assert {entry["digest"] for entry in found} == {a.digest for a in artifacts.values()}
    assert Path(found[0]["path"]).is_relative_to(tmp_path)


def test_a_program_built_again_with_an_empty_build_cache_is_the_same(
    artifacts: ArtifactSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = catalogue.load().release("v1.37.2").item(Kind.BINARY, "flannel", "amd64")
    monkeypatch.setenv("GOCACHE", str(tmp_path / "gocache"))
    assert item.build is not None
    built = programs.build(item.build, "amd64", ["flannel"], tmp_path, Silent())
    assert hash_file(built["flannel"]) == artifacts.binary("flannel").digest


def test_the_userland_of_kube_proxy_and_flannel_works(
    artifacts: ArtifactSet, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    unpack(artifacts, "kube-proxy", root)
    unpack(artifacts, "flannel", root)
    for command, said in (
        ("iptables -V", "nf_tables"),
        ("ip6tables -V", "nf_tables"),
        ("iptables-restore --version", "nf_tables"),
        ("nft --version", "nftables v1"),
        ("conntrack --version", "conntrack v1"),
        ("ip -V", "iproute2"),
        ("modprobe --version", "kmod"),
        ("kube-proxy --version", "v1.37.2"),
        ("/opt/bin/flanneld --version", "v0.28.10"),
    ):
        done = subprocess.run(
            ["chroot", root, *command.split()], capture_output=True, text=True, check=False,
            env={"PATH": oci.PATH.removeprefix("PATH=")},
        )  # fmt: skip
        assert said in done.stdout + done.stderr, command


def unpack(artifacts: ArtifactSet, name: str, root: Path) -> None:
    root.mkdir(exist_ok=True)
    image = artifacts.image(name)
    for digest, _size in oci.blobs_of(image.path.read_bytes())[1:]:
        layer = image.path.with_name(digest.removeprefix("sha256:"))
        subprocess.run(["tar", "--zstd", "-xf", layer, "-C", root], check=True)


def test_containerd_imports_the_archive_of_all_images_at_once(
    artifacts: ArtifactSet, tmp_path: Path
) -> None:
    archive = tmp_path / "images.tar"
    oci.write_archive(artifacts.images(), archive)
    with containerd(artifacts, tmp_path) as ctr:
        subprocess.run([*ctr, "images", "import", archive], check=True, capture_output=True)
        listed = subprocess.run(
            [*ctr, "images", "ls", "-q"], check=True, capture_output=True, text=True
        ).stdout.split()
    assert set(listed) == {image.reference for image in artifacts.images()}


@contextmanager
def containerd(artifacts: ArtifactSet, folder: Path) -> Generator[list[str], None, None]:
    """A containerd of its own in a folder; gives the beginning of ctr's command line."""
    config, socket = folder / "config.toml", folder / "c.sock"
    config.write_text(
        f'version = 3\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", '
        '"io.containerd.cri.v1.runtime"]\n'
        f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{folder}/t.sock"\n'
    )
    with (folder / "log").open("w") as log, subprocess.Popen(
        [artifacts.binary("containerd").path, "-c", config], stdout=log, stderr=log
    ) as daemon:  # fmt: skip
        try:
            ctr = [str(artifacts.binary("ctr").path), "-a", str(socket), "-n", "k8s.io"]
            deadline = time.monotonic() + 30
            while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
                assert time.monotonic() < deadline, (folder / "log").read_text()
            yield ctr
        finally:
            daemon.terminate()
