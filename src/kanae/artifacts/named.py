"""Files that a spec names: manifests of Kubernetes objects, and archives of images.

Paths are relative to the spec's folder. What comes by URL must have a digest and is kept in the
cache under it.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode

from kanae import paths
from kanae.artifacts.digests import checked
from kanae.artifacts.model import LocalArchive
from kanae.artifacts.progress import SilentTask
from kanae.artifacts.store import Store, hash_file
from kanae.artifacts.transfer import Http
from kanae.errors import ArtifactError, ArtifactMismatch
from kanae.spec.models import ImageArchive, Manifest

CONTAINERD_NAME = "io.containerd.image.name"
# Names, tags and digests of the distribution specification; containerd knows no other.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")
# What reading somebody's tar file of JSON may end in.
_MALFORMED = (
    *(tarfile.TarError, LookupError, ValueError, TypeError, AttributeError, OSError),
    RecursionError,
)
_API_VERSION = re.compile(r"([a-z0-9][a-z0-9.-]{0,252}/)?v[0-9]{1,9}((alpha|beta)[0-9]{1,9})?")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
# Path segments of the API; RBAC's names have colons.
_OBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")
_OCTAL = re.compile(r"[-+]?0[0-7]+")
OCI_NAME = "org.opencontainers.image.ref.name"


def documents(manifests: Sequence[Manifest], base: Path, store: Store) -> list[dict[str, object]]:
    """All objects of all manifests, in order; the items of a List one by one."""
    found: list[dict[str, object]] = []
    for manifest in manifests:
        path = local(manifest.source, manifest.digest, base, store)
        found += _objects(path, manifest.source)
    return found


def archives(named: Sequence[ImageArchive], base: Path, store: Store) -> tuple[LocalArchive, ...]:
    return tuple(_archive(each, local(each.source, each.digest, base, store)) for each in named)


def local(source: str, digest: str | None, base: Path, store: Store) -> Path:
    """The file on this machine, fetched when `source` is a URL, its digest checked if given.

    Raises ArtifactError when it cannot be read or had, ArtifactMismatch when it is another.
    """
    if "://" in source:
        if digest is None:
            raise ArtifactError(f"{source} is a URL and has no digest", remedy="add its sha256")
        if store.verified(digest):
            return store.path(digest)
        with closing(Http()) as http, SilentTask() as task:
            return http.download_verified(source, digest, store, task)
    path = (base / paths.expanded(source)).resolve()
    try:
        found = hash_file(path)
    except OSError as error:
        raise ArtifactError(
            f"{source}: {error.strerror or error}", remedy="paths are relative to the spec's folder"
        ) from None
    if digest is not None and found != digest:
        raise ArtifactMismatch(
            f"{source} has the digest {found}, the spec says {digest}",
            remedy="find out which of the two is right before you trust the file",
        )
    return path


def _objects(path: Path, source: str) -> Iterator[dict[str, object]]:
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _AsKubectl
        loaded = list(yaml.load_all(path.read_text()))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType,reportUnknownVariableType]  # untyped in ruamel.yaml
    except (YAMLError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{source} is no YAML: {error}") from None
    for document in cast("list[object]", loaded):
        if document is None:
            continue
        listed = cast("dict[str, object]", document) if isinstance(document, dict) else {}
        items = listed.get("items") if str(listed.get("kind", "")).endswith("List") else [listed]
        for each in cast("list[object]", items) if isinstance(items, list) else ():
            item = cast("dict[str, object]", each) if isinstance(each, dict) else {}
            if wrong := _no_object(item):
                raise ArtifactError(
                    f"{source} holds something that is no Kubernetes object: {wrong}",
                    remedy="every document needs apiVersion, kind and metadata with a name",
                )
            yield item


def _no_object(item: Mapping[str, object]) -> str:
    """What keeps it from being one, "" when it is one."""
    metadata = item.get("metadata")
    told: Mapping[str, object] = (
        cast("Mapping[str, object]", metadata) if isinstance(metadata, dict) else {}
    )
    parts: dict[str, tuple[object, re.Pattern[str]]] = {
        "apiVersion": (item.get("apiVersion"), _API_VERSION),
        "kind": (item.get("kind"), _KIND),
        "metadata.name": (told.get("name"), _OBJECT_NAME),
        "metadata.namespace": (told.get("namespace") or "default", _OBJECT_NAME),
    }
    for field, (value, pattern) in parts.items():
        if not (isinstance(value, str) and pattern.fullmatch(value)):
            return f"its {field} is {'missing' if value is None else 'none'}"
    try:
        json.dumps(item, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"JSON cannot say it ({error})"
    return ""


class _AsKubectl(SafeConstructor):
    """Manifests are written for kubectl: `0644` is octal there, and a date is text."""

    def octal(self, node: ScalarNode) -> object:
        text = str(node.value)  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]  # untyped in ruamel.yaml
        return int(text, 8) if _OCTAL.fullmatch(text) else self.construct_yaml_int(node)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # untyped in ruamel.yaml


_AsKubectl.add_constructor("tag:yaml.org,2002:int", _AsKubectl.octal)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
_AsKubectl.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml


def _archive(named: ImageArchive, path: Path) -> LocalArchive:
    try:
        with tarfile.open(path) as tar:
            references = dict(_references(tar))
    except _MALFORMED as error:
        raise ArtifactError(
            f"{named.source} is no OCI or docker image archive: {error}",
            remedy="make it with `docker save`, `ctr images export` or `skopeo copy`",
        ) from None
    if not references:
        raise ArtifactError(
            f"{named.source} names no image",
            remedy="save images by their full names (registry/name:tag), not by their ids",
        )
    size = path.stat().st_size
    return LocalArchive(str(path), hash_file(path), size, references, tuple(named.roles))


def _references(tar: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    names = set(tar.getnames())
    if "index.json" in names:
        for entry in _json(tar, "index.json")["manifests"]:
            notes = entry.get("annotations", {})
            name = notes.get(CONTAINERD_NAME) or notes.get(OCI_NAME, "")
            if "/" in name or ":" in name:
                yield _reference(name), checked(entry["digest"], f"{name} in the archive")
    if "manifest.json" in names:
        for entry in _json(tar, "manifest.json"):
            for name in entry.get("RepoTags") or ():
                yield _reference(_qualified(name)), ""


def _reference(name: str) -> str:
    if not _REFERENCE.fullmatch(name):
        raise ValueError(f"{name!r} is no image's name")
    return name


def _json(tar: tarfile.TarFile, name: str) -> Any:
    member = tar.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    return json.loads(member.read())


def _qualified(name: str) -> str:
    """As containerd names it: docker's short names are of docker.io, library/ where no owner."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"
