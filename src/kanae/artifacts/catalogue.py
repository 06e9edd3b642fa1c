"""Which components belong to a Kubernetes release, read from data/catalogue.toml.

The data says where a component's files lie upstream and how it is built; this module checks it
and fills in names, versions and architectures. No network, no store.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from kanae.artifacts.model import Kind, artifact_id
from kanae.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Remote:
    """Upstream's file: url, the URL of its published sha256, member inside it if it is a tar."""

    url: str
    checksum: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """How a component's programs are built.

    component: build table in the catalogue; gomod: folder below gomod/ with its pins, "" for C.
    version: what is built, which can differ from upstream's (flannel's CNI plugin).
    programs: program name -> Go package (or C file). variables: linker's -X values.
    packages: Debian packages that the build needs on this machine.
    """

    component: str
    version: str
    gomod: str
    programs: Mapping[str, str]
    variables: Mapping[str, str]
    tags: tuple[str, ...] = ()
    cgo: bool = False
    static: bool = False
    c_source: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What goes into a built image: program -> path, the layer below, how it starts."""

    files: Mapping[str, str]
    entrypoint: tuple[str, ...]
    layer: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One binary or image of a release, for one architecture.

    remote: where upstream has a binary; None for images, which are pulled by `reference`.
    build: None where nothing can be built. optional: not part of a default fetch.
    """

    kind: Kind
    name: str
    component: str
    version: str
    arch: str
    reference: str = ""
    remote: Remote | None = None
    build: Build | None = None
    layout: Layout | None = None
    optional: bool = False

    @property
    def id(self) -> str:
        """Names this item, and the artifact made from it, in every release that has it."""
        return artifact_id(self.kind, self.name, self.version, self.arch)

    @property
    def part(self) -> str:
        """kind/name/arch: names it within one release only."""
        return f"{self.kind.value}/{self.name}/{self.arch}"

    def admits(self, kind: str, name: str, version: str, arch: str) -> bool:
        """Whether something is this item, as the catalogue lists it or as it is built."""
        versions = {self.version, self.build.version if self.build is not None else self.version}
        return (kind, name, arch) == (self.kind, self.name, self.arch) and version in versions

    def pins(self) -> str:
        """sha256 over everything that this catalogue and its go.mod and go.sum say about it."""
        told = json.dumps(asdict(self), sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode())
        if self.build is not None and self.build.gomod:
            for name in ("go.mod", "go.sum"):
                digest.update(
                    (files("kanae.artifacts") / "gomod" / self.build.gomod / name).read_bytes()
                )
        if self.build is not None and self.build.c_source:
            digest.update((files("kanae.artifacts") / "data" / self.build.c_source).read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Release:
    """A Kubernetes version with the versions of everything beside it, by component name."""

    version: str
    components: Mapping[str, str]
    data: Mapping[str, Any]
    # Planning asks for each item of each host.
    _made: dict[str, tuple[Item, ...]] = field(
        default_factory=dict[str, "tuple[Item, ...]"], init=False, repr=False, compare=False
    )

    def items(self, arch: str) -> tuple[Item, ...]:
        """Every binary and image, binaries first, in the catalogue's order."""
        if arch not in self._made:
            self._made[arch] = self._make(arch)
        return self._made[arch]

    def _make(self, arch: str) -> tuple[Item, ...]:
        return tuple(
            item
            for kind, table in ((Kind.BINARY, "binary"), (Kind.IMAGE, "image"))
            for entry in self.data[table]
            for item in _items(self, kind, entry, arch)
        )

    def item(self, kind: Kind, name: str, arch: str) -> Item:
        for item in self.items(arch):
            if item.kind is kind and item.name == name:
                return item
        raise ArtifactError(f"the catalogue has no {kind.value} {name} for {self.version}")

    def image_references(self) -> dict[str, str]:
        """Image name -> reference, as in {"pause": "registry.k8s.io/pause:3.10.2"}."""
        return {item.name: item.reference for item in self.items("amd64") if item.reference}


@dataclass(frozen=True, slots=True)
class Catalogue:
    data: Mapping[str, Any]

    def versions(self) -> tuple[str, ...]:
        """Known Kubernetes versions, newest first."""
        return tuple(sorted(self.data["release"], key=version_key, reverse=True))

    def release(self, version: str) -> Release:
        """The release of this version, with or without a leading v; ArtifactError if unknown."""
        wanted = "v" + version.removeprefix("v")
        components = self.data["release"].get(wanted)
        if components is None:
            known = sorted(self.versions(), key=lambda v: _distance(v, wanted))
            raise ArtifactError(
                f"Kubernetes {wanted} is not in the catalogue",
                remedy=f"use one of the nearest known versions: {', '.join(known[:3])}",
            )
        return Release(wanted, components, self.data)


@cache
def load() -> Catalogue:
    """The catalogue of this package, read once."""
    return Catalogue(tomllib.loads((files("kanae.artifacts") / "data/catalogue.toml").read_text()))


def version_key(version: str) -> tuple[int, ...]:
    """(1, 37, 2) for v1.37.2; what is no number is left out."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _distance(known: str, wanted: str) -> tuple[int, ...]:
    a, b = version_key(known), version_key(wanted)
    return tuple(abs(x - y) for x, y in zip(a, b, strict=False))


def _fill(template: str, values: Mapping[str, str]) -> str:
    return template.format_map(values)


def _items(release: Release, kind: Kind, entry: Mapping[str, Any], arch: str) -> list[Item]:
    component: str = entry["component"]
    version = release.components[component]
    items: list[Item] = []
    for name in entry["names"]:
        values = _values(version) | {"name": name, "arch": arch}
        remote = None
        if kind is Kind.BINARY:
            url = _fill(entry["url"], values)
            remote = Remote(
                url,
                _fill(entry["checksum"], values | {"url": url}),
                _fill(entry.get("member", ""), values),
            )
        buildable = entry.get("buildable", True)
        layout = _layout(entry, values) if kind is Kind.IMAGE and buildable else None
        items.append(
            Item(
                kind=kind,
                name=name,
                component=component,
                version=version,
                arch=arch,
                reference=_fill(entry.get("reference", ""), values),
                remote=remote,
                build=_build(release.data, component, version, arch) if buildable else None,
                layout=layout,
                optional=entry.get("optional", False),
            )
        )
    return items


def _values(version: str) -> dict[str, str]:
    major, minor, *_ = (*version_key(version), 0, 0)
    bare = version.removeprefix("v")
    return {"version": version, "bare": bare, "major": str(major), "minor": str(minor)}


def _layout(entry: Mapping[str, Any], values: Mapping[str, str]) -> Layout:
    return Layout(
        files={_fill(k, values): _fill(v, values) for k, v in entry["files"].items()},
        entrypoint=tuple(_fill(part, values) for part in entry["entrypoint"]),
        layer=entry.get("layer", ""),
        user=entry.get("user", ""),
    )


def _build(data: Mapping[str, Any], component: str, version: str, arch: str) -> Build:
    table = data["build"][component]
    built = table.get("built_version", version)
    values = _values(built) | {"date": table.get("dates", {}).get(built, "")}
    c_source: str = table.get("c_source", "")
    return Build(
        component=component,
        version=built,
        gomod="" if c_source else f"{table.get('sources', component)}-{built}",
        programs=table["programs"],
        variables={
            f"{package}.{name}": _fill(value, values)
            for package in table.get("variable_packages", ())
            for name, value in table.get("variables", {}).items()
        },
        tags=tuple(table.get("tags", ())),
        cgo=arch in table.get("cgo", ()),
        static=table.get("static", False),
        c_source=c_source,
        packages=tuple(table.get("packages", ())),
    )
