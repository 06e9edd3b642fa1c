"""Files and folders of ours on a host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.resources.model import Content, Difference, Resource, quote, text_diff


@dataclass(frozen=True, slots=True)
class File(Resource):
    """A text file with exactly this content, mode and owner.

    until: a path from whose existence on nobody reads the file any more, so that it may differ.
    """

    path: str
    text: str
    mode: int = 0o644
    owner: str = "root:root"
    until: str = ""

    @property
    def kind(self) -> str:
        return "file"

    @property
    def name(self) -> str:
        return self.path

    def query(self) -> Query:
        until = (self.until,) if self.until else ()
        return Query(files=(self.path, *until), contents=(self.path,))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        if self.until and facts.files.get(self.until) is not None:
            return None
        fact = facts.files.get(self.path)
        if fact is None:
            return Difference("create", diff=text_diff("", self.text, self.path))
        if fact.kind != "file":
            return Difference("update", f"is a {fact.kind}")
        if fact.sha256 != hashlib.sha256(self.text.encode()).hexdigest():
            sizes = f"{fact.size} -> {len(self.text.encode())} bytes"
            if fact.text is None:
                return Difference("update", sizes)
            if not self._is_ours(fact.text):
                # What somebody else has written may hold anything, a password too.
                return Difference("update", f"is not kanae's, {sizes}")
            return Difference("update", diff=text_diff(fact.text, self.text, self.path))
        if fact.mode != self.mode or fact.owner != self.owner:
            was = f"{fact.mode:04o} {fact.owner}"
            return Difference("update", f"{was} -> {self.mode:04o} {self.owner}")
        return None

    def _is_ours(self, text: str) -> bool:
        """By its banner, or by its place: nobody else writes there."""
        return marks.MANAGED in text or self.path.startswith((f"{at.KANAE}/", f"{at.STATE}/"))

    def uploads(self) -> tuple[Content, ...]:
        return (Content(self.path, self.text, self.mode, self.owner),)

    def apply(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Directory(Resource):
    path: str
    mode: int = 0o755
    owner: str = "root:root"

    @property
    def kind(self) -> str:
        return "directory"

    @property
    def name(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        fact = facts.files.get(self.path)
        if fact is None:
            return Difference("create")
        if fact.kind != "directory":
            return Difference("update", f"is a {fact.kind}")
        if fact.mode != self.mode or fact.owner != self.owner:
            was = f"{fact.mode:04o} {fact.owner}"
            return Difference("update", f"{was} -> {self.mode:04o} {self.owner}")
        return None

    def apply(self) -> str:
        path, owner = quote(self.path), quote(self.owner)
        return f"mkdir -p {path}; chmod {self.mode:04o} {path}; chown {owner} {path}"


@dataclass(frozen=True, slots=True)
class Absent(Resource):
    """A path that must not be there: a file of ours that the spec no longer wants."""

    path: str

    @property
    def kind(self) -> str:
        return "file"

    @property
    def name(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        return None if facts.files.get(self.path) is None else Difference("delete")

    def apply(self) -> str:
        return f"rm -f {quote(self.path)}"
