"""Where binaries, images and manifests come from."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.host import Role
from kanae.spec.text import Digest, FileName


class Manifest(Model):
    """A file of Kubernetes objects by path (relative to the spec) or http(s) URL with digest."""

    source: str = Field(description="Path (relative to the spec) or http(s) URL.")
    digest: Digest | None = Field(
        default=None, description="sha256 of the file; required for a URL."
    )


class ArtifactSource(StrEnum):
    """Where binaries and images come from. build: from Go modules, on the operator's machine."""

    AUTO = "auto"
    UPSTREAM = "upstream"
    MIRROR = "mirror"
    BUNDLE = "bundle"
    BUILD = "build"


class Mirror(Model):
    """Base URLs that replace upstream's, by upstream host name; the layout below stays the same."""

    urls: dict[str, str] = Field(
        default_factory=dict, description="Upstream host such as dl.k8s.io -> base URL."
    )


class Artifacts(Model):
    """Binaries and images of the cluster itself."""

    source: ArtifactSource = ArtifactSource.AUTO
    mirror: Mirror | None = None
    bundle: FileName | None = Field(
        default=None, description="Path of a file made by `kanae bundle create`."
    )


class ImageArchive(Model):
    """An OCI or docker archive loaded onto nodes, so that they need no registry for it."""

    source: str = Field(description="Path (relative to the spec) or http(s) URL.")
    digest: Digest | None = Field(
        default=None, description="sha256 of the file; required for a URL."
    )
    roles: list[Role] = Field(
        default_factory=lambda: [Role.CONTROL_PLANE, Role.WORKER],
        description="Hosts that get it.",
    )
