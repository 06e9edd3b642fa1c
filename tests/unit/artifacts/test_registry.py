"""Pulling images from a registry on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from kanae.artifacts import oci, registry
from kanae.artifacts.progress import Silent
from kanae.artifacts.registry import Reference
from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http, Limits
from kanae.errors import ArtifactError, ArtifactMismatch

if TYPE_CHECKING:
    from conftest import Site

NAME = "registry.k8s.io/coredns/coredns:v1"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def publish(site: Site, arches: tuple[str, ...] = ("amd64", "arm64")) -> dict[str, str]:
    """An image with one shared and one own layer for each architecture; arch -> own layer."""
    path = "/v2/coredns/coredns"
    shared, own, manifests = b"shared" * 1000, dict[str, str](), list[dict[str, Any]]()

    def add(data: bytes) -> dict[str, Any]:
        site.files[f"{path}/blobs/{sha(data)}"] = data
        return {"digest": sha(data), "size": len(data), "mediaType": "x"}

    for arch in arches:
        layer = f"own {arch}".encode()
        own[arch] = sha(layer)
        manifest = json.dumps(
            {"mediaType": oci.MANIFEST, "config": add(f'"{arch}"'.encode()),
             "layers": [add(shared), add(layer)]}
        ).encode()  # fmt: skip
        site.files[f"{path}/manifests/{sha(manifest)}"] = manifest
        manifests.append(
            {"digest": sha(manifest), "platform": {"os": "linux", "architecture": arch}}
        )
    site.files[f"{path}/manifests/v1"] = json.dumps({"manifests": manifests}).encode()
    return own


@pytest.fixture
def client(site: Site) -> Iterator[Http]:
    http = Http({"registry.k8s.io": site.url}, Limits(idle=0.5, pause=0.01))
    yield http
    http.close()


def test_the_image_of_the_wanted_architecture_is_pulled(
    site: Site, client: Http, store: Store
) -> None:
    own = publish(site)
    image = registry.pull(client, NAME, "arm64", store, Silent())
    assert own["arm64"] in image.blobs
    assert own["amd64"] not in image.blobs
    assert all(store.verified(digest, full=True) for digest in image.blobs)
    assert image.size == sum(store.path(digest).stat().st_size for digest in image.blobs)


def test_a_token_is_fetched_when_the_registry_asks_for_one(
    site: Site, client: Http, store: Store
) -> None:
    publish(site)
    site.token = "secret"
    registry.pull(client, NAME, "amd64", store, Silent())
    assert site.asked("/token?service=here&scope=repository%3Aa%3Apull")


def test_a_registry_that_wants_a_password_is_an_error(
    site: Site, client: Http, store: Store
) -> None:
    site.fault("/v2/coredns/coredns/manifests/v1", status=401)
    with pytest.raises(ArtifactError, match="wants a login"):
        registry.pull(client, NAME, "amd64", store, Silent())


def test_a_layer_that_is_already_here_is_not_fetched_again(
    site: Site, client: Http, store: Store
) -> None:
    publish(site)
    store.add_bytes(b"shared" * 1000)
    registry.pull(client, NAME, "amd64", store, Silent())
    assert not site.asked(f"/v2/coredns/coredns/blobs/{sha(b'shared' * 1000)}")


def test_an_architecture_that_is_not_there_is_an_error(
    site: Site, client: Http, store: Store
) -> None:
    publish(site, ("amd64",))
    with pytest.raises(ArtifactError, match="no image for linux/arm64"):
        registry.pull(client, NAME, "arm64", store, Silent())


def test_an_unknown_tag_is_an_error(site: Site, client: Http, store: Store) -> None:
    with pytest.raises(ArtifactError, match="404"):
        registry.pull(client, NAME, "amd64", store, Silent())


def test_a_changed_layer_is_a_mismatch(site: Site, client: Http, store: Store) -> None:
    own = publish(site)
    site.files[f"/v2/coredns/coredns/blobs/{own['amd64']}"] = b"evil amd64"
    with pytest.raises(ArtifactMismatch):
        registry.pull(client, NAME, "amd64", store, Silent())


def test_a_changed_manifest_is_a_mismatch(site: Site, client: Http, store: Store) -> None:
    publish(site)
    for path in site.files:
        if "/manifests/sha256:" in path:
            site.files[path] += b" "
    with pytest.raises(ArtifactMismatch, match="manifest"):
        registry.pull(client, NAME, "amd64", store, Silent())


def test_a_truncated_layer_is_resumed(site: Site, client: Http, store: Store) -> None:
    publish(site)
    path = f"/v2/coredns/coredns/blobs/{sha(b'shared' * 1000)}"
    site.fault(path, cut=100)
    registry.pull(client, NAME, "amd64", store, Silent())
    assert site.asked(path)[1].headers["range"] == "bytes=100-"


def test_references_have_host_repository_and_tag() -> None:
    assert Reference.parse("ghcr.io/a/b:v1") == Reference("ghcr.io", "a/b", "v1")
    assert Reference.parse("h:5000/a@sha256:0").tag == "sha256:0"
    assert "registry-1.docker.io/v2/w/x/" in Reference.parse("docker.io/w/x:1").url("blobs", "d")


@pytest.mark.parametrize("text", ["pause", "pause:3.10", "registry.k8s.io/pause", ""])
def test_a_reference_without_host_or_tag_is_an_error(text: str) -> None:
    with pytest.raises(ArtifactError, match="is not HOST/REPOSITORY:TAG"):
        Reference.parse(text)
