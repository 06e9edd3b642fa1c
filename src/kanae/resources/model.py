"""What a declarative piece of a host is: ask, compare, change.

A resource is plain data. `query` says what has to be asked to judge it, `change` compares it with
the answers (pure), `apply` gives the POSIX sh lines that bring it about on a host where `uploads`
have already been written. All of one host's resources are asked in one round trip and, where order
allows, applied in another.
"""

from __future__ import annotations

import difflib
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.shown import shown


@dataclass(frozen=True, slots=True)
class Difference:
    """How a resource differs from what is. verb: create, update, delete or run."""

    verb: str
    detail: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be written before the script runs. See `kanae.transport.protocol.Upload`."""

    path: str
    text: str
    mode: int
    owner: str


class Resource(ABC):
    """Base of all kinds."""

    __slots__ = ()

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def key(self) -> str:
        """Unique on its host: `kind:name`."""
        return f"{self.kind}:{self.name}"

    @abstractmethod
    def query(self) -> Query: ...

    @abstractmethod
    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        """None when nothing is to be done. changed: keys of resources that this run changes."""
        ...

    def uploads(self) -> tuple[Content, ...]:
        return ()

    @abstractmethod
    def apply(self) -> str:
        """POSIX sh lines, run with `set -e`; "" when the uploads are all there is to do."""
        ...


def quote(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)


def text_diff(old: str, new: str, name: str) -> str:
    """A unified diff as `diff -u` prints it, at most 200 lines."""
    lines = list(
        difflib.unified_diff(
            shown(old).splitlines(),
            shown(new).splitlines(),
            f"{name} (is)",
            f"{name} (wanted)",
            lineterm="",
        )
    )
    if len(lines) > 200:
        lines = [*lines[:200], f"... {len(lines) - 200} more lines"]
    return "\n".join(lines)


def merge(queries: list[Query]) -> Query:
    """One query that asks all of several, each thing once, in a stable order."""

    def union(field: str) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        for query in queries:
            seen.update(dict.fromkeys(getattr(query, field)))
        return tuple(seen)

    return Query(
        files=union("files"),
        contents=union("contents"),
        folders=union("folders"),
        certificates=union("certificates"),
        units=union("units"),
        packages=union("packages"),
        sysctls=union("sysctls"),
        names=union("names"),
        kubeconfigs=union("kubeconfigs"),
        images=any(query.images for query in queries),
        cluster=any(query.cluster for query in queries),
        etcd=any(query.etcd for query in queries),
        objects=tuple(dict.fromkeys(key for query in queries for key in query.objects)),
        applied=tuple(dict.fromkeys(each for query in queries for each in query.applied)),
    )
