"""Where container runtimes keep what they run and what they run it from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kanae.layout import paths


@dataclass(frozen=True, slots=True)
class Runtime:
    """containers, images: folders that have a name in them for each one, "*.json" and "*.lock"
    aside."""

    name: str
    containers: str
    images: str


CONTAINERD: Final = Runtime(
    "containerd",
    f"{paths.CONTAINERD_RUN}/io.containerd.runtime.v2.task",
    f"{paths.CONTAINERD_STATE}/io.containerd.content.v1.content/blobs/sha256",
)
RUNTIMES: Final = (
    CONTAINERD,
    Runtime(
        "docker",
        "/var/lib/docker/containers",
        "/var/lib/docker/image/overlay2/imagedb/content/sha256",
    ),
    Runtime(
        "podman or CRI-O",
        "/var/lib/containers/storage/overlay-containers",
        "/var/lib/containers/storage/overlay-images",
    ),
)
