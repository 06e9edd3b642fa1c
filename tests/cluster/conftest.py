"""Clusters on real lab hosts for the tests below here.

The state is in a folder of the test session's own; artifacts and the base root come from the
user's cache and are built where they are missing. Names and subnets are derived from the example,
so that the tests do not meet a lab that somebody has up.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drilled import THRESHOLDS
from made import BUILD_TIMEOUT, EXAMPLES, ROOMY, WORKLOAD, Cluster

from kanae.artifacts import oci
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.store import Store


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image archive with the program in workload/, built here: no registry is needed."""
    folder = tmp_path_factory.mktemp("workload")
    program = folder / "program"
    subprocess.run(
        ["go", "build", "-trimpath", "-o", program, "."],
        cwd=Path(__file__).parent / "workload",
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        check=True,
        timeout=BUILD_TIMEOUT,
    )
    store = Store(folder / "store")
    layer = oci.add_layer(store, [oci.Member("workload", 0o755, program)])
    image = oci.add_image(store, [layer], arch="amd64", entrypoint=["/workload"])
    archive = folder / "workload.tar"
    artifact = Artifact(
        "workload",
        "1",
        "amd64",
        Kind.IMAGE,
        image.digest,
        image.size,
        store.path(image.digest),
        WORKLOAD,
    )
    oci.write_archive([artifact], archive)
    return archive


def written_for_test(example: str, folder: Path, third: int, archive: Path) -> tuple[str, Path]:
    """The example under another name and in another subnet, 10.78.<third>.0/24, with the archive
    of the tests' own image."""
    text = (EXAMPLES / f"{example}.yaml").read_text()
    name = f"t-{example}"[:20].rstrip("-")
    text = re.sub(r"(?m)^name: .*$", f"name: {name}", text)
    text = re.sub(r"10\.77\.\d+\.", f"10.78.{third}.", text)
    path = folder / f"{example}.yaml"
    path.write_text(f"{text}images:\n  - {{source: {archive}}}\n{ROOMY}")
    return name, path


@pytest.fixture(scope="session")
def made_clusters(
    tmp_path_factory: pytest.TempPathFactory, workload: Path, alone: None
) -> Iterator[Callable[..., list[Cluster]]]:
    """Makes one lab for all of these examples, with these options of `kanae lab up`; takes down
    every lab that it made."""
    state = tmp_path_factory.mktemp("state")
    labs: list[Cluster] = []

    def make(examples: tuple[str, ...], third: int, *options: str) -> list[Cluster]:
        folder = tmp_path_factory.mktemp("spec")
        written = [written_for_test(example, folder, third, workload) for example in examples]
        made = [Cluster(name, path, state) for name, path in written]
        labs.append(made[0])
        made[0].kanae("artifacts", "fetch", timeout=BUILD_TIMEOUT)
        specs = [str(each.spec) for each in made]
        made[0].kanae("lab", "up", *specs, *options, timeout=BUILD_TIMEOUT)
        return made

    yield make
    for lab in labs:
        lab.kanae("lab", "down", lab.name, "--yes")


@pytest.fixture(scope="session")
def made_cluster(made_clusters: Callable[..., list[Cluster]]) -> Callable[[str, int], Cluster]:
    return lambda example, third: made_clusters((example,), third)[0]


@pytest.fixture(scope="session")
def cluster(made_clusters: Callable[..., list[Cluster]]) -> Cluster:
    """The reference's, its worker on the newer Debian, built by an apply that is killed twice on
    the way and run again, so that what tests look at is also what resuming leads to.
    """
    (cluster,) = made_clusters(("reference",), 1, "--image", "server4=trixie")
    cluster.kill_apply_when("step-started", "server1/control-plane/init")
    cluster.kill_apply_when("step-ended", "server4/workers/join")
    cluster.apply()
    return cluster


@pytest.fixture(scope="session")
def thresholds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("thresholds") / "any-machine.toml"
    path.write_text(THRESHOLDS)
    return path
