"""What was on a host before kanae, so that a reset leaves it there."""

from __future__ import annotations

from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.resources.model import Difference, Resource, quote


@dataclass(frozen=True, slots=True)
class Found(Resource):
    """A record that is made once, before anything else on the host is changed.

    files: that kanae replaces; copies are kept. folders: that others use too; their entries are
    listed. units: of which kanae brings its own; those that are enabled are listed. program: the
    first one that kanae brings: a host of a cluster with it but without a record was built before
    there were records, and what is there now is not what was there before.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    units: tuple[str, ...]
    program: str

    @property
    def kind(self) -> str:
        return "record"

    @property
    def name(self) -> str:
        return "what is there"

    def query(self) -> Query:
        return Query(files=(at.FOUND_LIST, self.program))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        if facts.files.get(at.FOUND_LIST) is not None:
            return None
        if marks.CLUSTER in facts.marks and facts.files.get(self.program) is not None:
            return None
        return Difference("create")

    def apply(self) -> str:
        """The list comes last: it says that the record is whole. Copies are made by relative paths:
        coreutils 9.1, which Debian 12 has, fails with --parents and absolute ones."""
        return f"""if [ ! -e {at.FOUND_LIST} ]; then
rm -rf {at.FOUND}; mkdir -p {at.FOUND_FILES}
for path in {quote(*self.files)}; do
if [ -f "$path" ]; then (cd / && cp -a --parents -- "${{path#/}}" {at.FOUND_FILES}); fi
done
{{ for folder in {quote(*self.folders)}; do
for path in "$folder/"* "$folder/".[!.]*; do
if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\\n' "$path"; fi
done; done
for unit in {quote(*self.units)}; do
if systemctl is-enabled -q "$unit" 2>/dev/null; then printf 'unit %s\\n' "$unit"; fi
done; }} >{at.FOUND_LIST}.new
mv -f {at.FOUND_LIST}.new {at.FOUND_LIST}
fi"""
