"""Choosing a source: what the user said, or for `auto` what is cached or answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.catalogue import Item
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import Supplier
from kanae.errors import UsageError
from kanae.spec.models import ArtifactSource


@dataclass(frozen=True, slots=True)
class Choice:
    """A source and, where it was not the user's own choice, one line that says why."""

    supplier: Supplier
    reason: str = ""


def choose(
    source: ArtifactSource,
    items: Sequence[Item],
    store: Store,
    *,
    mirror: Mapping[str, str] | None = None,
    bundle: Path | None = None,
    probing: bool = True,
) -> Choice:
    if source in (ArtifactSource.BUILD, ArtifactSource.AUTO):
        return Choice(BuildSupplier())
    raise UsageError(f"source {source.value} is not known")
