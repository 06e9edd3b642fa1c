"""One archive of a control plane's images, imported by several containerds at once.

    python bench/artifacts_import.py [--hosts 4]     (as root)

Compares layers as kanae makes them (zstd) with the same layers as plain tar, in one run: size of
the archive, seconds to write it, seconds until the last of the containerds has imported it. The
containerds share this machine's disk and cores, as lab hosts do. JSON on standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from kanae.artifacts import catalogue, fetch, oci
from kanae.artifacts.model import Artifact, ArtifactSet
from kanae.artifacts.store import Store
from kanae.spec.models import ArtifactSource

PLUGINS = (
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
)


def uncompressed(images: Sequence[Artifact], store: Store) -> list[Artifact]:
    """The same images with plain tar layers, in another store."""
    made: list[Artifact] = []
    for image in images:
        manifest: dict[str, Any] = json.loads(image.path.read_bytes())
        config = manifest["config"]["digest"].removeprefix("sha256:")
        store.add_bytes(image.path.with_name(config).read_bytes())
        for layer in manifest["layers"]:
            packed = image.path.with_name(layer["digest"].removeprefix("sha256:"))
            with store.new_file() as part:
                subprocess.run(["zstd", "-dqf", packed, "-o", part], check=True)
                layer["digest"], layer["size"] = store.add_file(part)
            layer["mediaType"] = oci.LAYER.removesuffix("+zstd")
        digest = store.add_bytes(json.dumps(manifest).encode())
        made.append(replace(image, digest=digest, path=store.path(digest)))
    return made


@contextlib.contextmanager
def containerd(artifacts: ArtifactSet, folder: Path) -> Generator[list[Any], None, None]:
    folder.mkdir()
    config = folder / "config.toml"
    config.write_text(
        f'version = 3\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f"disabled_plugins = {json.dumps(PLUGINS)}\n"
        f'[grpc]\naddress = "{folder}/c.sock"\n[ttrpc]\naddress = "{folder}/t.sock"\n'
    )
    with subprocess.Popen(
        [artifacts.binary("containerd").path, "-c", config], stderr=subprocess.DEVNULL
    ) as daemon:
        ctr = [artifacts.binary("ctr").path, "-a", f"{folder}/c.sock", "-n", "k8s.io"]
        deadline = time.monotonic() + 30
        while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError("containerd did not start within 30 s")
        try:
            yield ctr
        finally:
            daemon.terminate()


def measure(artifacts: ArtifactSet, images: Sequence[Artifact], hosts: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="kanae-import-") as name, contextlib.ExitStack() as up:
        folder = Path(name)
        begin = time.monotonic()
        oci.write_archive(images, folder / "images.tar")
        written = time.monotonic() - begin
        clients = [up.enter_context(containerd(artifacts, folder / str(n))) for n in range(hosts)]
        begin = time.monotonic()

        def load(ctr: list[Any]) -> None:
            command = [*ctr, "images", "import", folder / "images.tar"]
            subprocess.run(command, check=True, capture_output=True)

        with ThreadPoolExecutor(hosts) as pool:
            list(pool.map(load, clients))
        imported = time.monotonic() - begin
        size = (folder / "images.tar").stat().st_size
    return {
        "MB": round(size / 1e6, 1),
        "write s": round(written, 2),
        "import s": round(imported, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=4)
    hosts: int = parser.parse_args().hosts
    artifacts = fetch.obtain(
        [catalogue.load().release("v1.37.2")], ["amd64"], ArtifactSource.BUILD, store=Store()
    )
    images = [image for image in artifacts.images() if image.name != "etcd"]
    with tempfile.TemporaryDirectory(prefix="kanae-plain-") as folder:
        plain = uncompressed(images, Store(Path(folder)))
        result = {
            "zstd": measure(artifacts, images, hosts),
            "plain": measure(artifacts, plain, hosts),
        }
    print(json.dumps({"hosts": hosts, **result}, indent=2))


if __name__ == "__main__":
    main()
