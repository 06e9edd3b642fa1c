"""Binaries and images on a host, by digest."""

from __future__ import annotations

from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.layout import units
from kanae.resources.model import Difference, Resource


@dataclass(frozen=True, slots=True)
class Binary(Resource):
    """An executable with exactly these bytes. artifact: its id in the store; size in bytes."""

    path: str
    artifact: str
    version: str
    digest: str
    size: int

    @property
    def kind(self) -> str:
        return "binary"

    @property
    def name(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        fact = facts.files.get(self.path)
        what = f"{self.version}, {self.size / 1e6:.0f} MB"
        if fact is None:
            return Difference("create", what)
        if fact.kind != "file" or f"sha256:{fact.sha256}" != self.digest:
            return Difference("update", f"other content -> {what}")
        if fact.mode != 0o755:
            return Difference("update", f"mode {fact.mode:04o} -> 0755")
        return None

    def apply(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Image(Resource):
    """A container image that containerd has under this reference. artifact: its id in the store."""

    reference: str
    artifact: str
    digest: str
    size: int

    @property
    def kind(self) -> str:
        return "image"

    @property
    def name(self) -> str:
        return self.reference

    def query(self) -> Query:
        return Query(images=True)

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        have = (facts.images or {}).get(self.reference)
        if have is None:
            runtime = facts.units.get(units.CONTAINERD)
            asked = facts.images is None and runtime is not None and runtime.active == "active"
            untold = ", unless it is there: containerd did not tell in time" if asked else ""
            return Difference("create", f"{self.size / 1e6:.0f} MB{untold}")
        # A digest that is not known (a docker archive gets its own on import) cannot differ.
        known = bool(self.digest)
        return Difference("update", "other content") if known and have != self.digest else None

    def apply(self) -> str:
        return ""
