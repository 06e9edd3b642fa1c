"""A spec file to a `Spec`, or every problem it has with file:line:column."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path as FilePath

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kanae.errors import SpecError, SpecProblem
from kanae.spec.models import Spec
from kanae.spec.reader import MAX_BYTES, parse
from kanae.spec.rules import Violation, violations
from kanae.spec.salvage import Salvage, touches
from kanae.spec.tree import Flaw, Mapping, Node, Path, Scalar, find, key_of, nearest, plain
from kanae.spec.words import describe, known_fields, nearest_name, shown

STANDARD_INPUT = FilePath("-")


@dataclass(frozen=True, slots=True)
class SpecText:
    """The text of a spec. name: stands for its file in messages."""

    text: str
    name: str

    def place(self, path: Path) -> str:
        """Where something stands that is wrong for a reason outside the spec: `file:line:column:
        field`. The text is one that has been loaded."""
        root, _ = parse(self.text)
        here = nearest(root, path) if root is not None else None
        line, column = (here.line, here.column) if here is not None else (0, 0)
        return str(SpecProblem(self.name, line, column, _dotted(path), "")).removesuffix(": ")

    def load(self) -> Spec:
        """Raises SpecError with all problems."""
        return loads(self.text, self.name)


def load(path: FilePath) -> Spec:
    """The spec in a file, or on standard input for `-`. Raises SpecError with all problems, also
    when it cannot be read."""
    return read(path).load()


def read(path: FilePath) -> SpecText:
    """Raises SpecError when it cannot be read."""
    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unreadable(name, f"cannot be read: {reason or error}") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(name, f"expected a spec of at most {MAX_BYTES >> 10} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise _unreadable(name, "expected UTF-8 text", line, column) from None
    return SpecText(text, name)


def loads(text: str, name: str) -> Spec:
    """The spec in a text; name stands for the file in messages. Raises SpecError."""
    root, flaws = parse(text)
    spec = None
    if root is None and not flaws:
        flaws.append(Flaw(1, 1, (), "expected a spec; the file is empty (`kanae init` writes one)"))
    elif root is not None and not isinstance(root, Mapping):
        message = f"expected a mapping with name, kubernetes and hosts, not {shown(root)}"
        flaws.append(Flaw(root.line, root.column, (), message))
    elif root is not None:
        spec, more = _validate(root)
        places = {(flaw.line, flaw.column) for flaw in flaws}
        flaws += [flaw for flaw in more if (flaw.line, flaw.column) not in places]
    if flaws or spec is None:
        flaws.sort(key=lambda flaw: (flaw.line, flaw.column))
        raise SpecError([_problem(name, flaw) for flaw in flaws])
    return spec


def _validate(root: Mapping) -> tuple[Spec | None, list[Flaw]]:
    """The spec, None when a value is malformed, and what is wrong with it in all its parts."""
    salvage = Salvage(plain(root))
    flaws: list[Flaw] = []
    spec = None
    while spec is None and not salvage.hopeless:
        try:
            # From JSON, since that is where pydantic's strict mode still reads an address or an
            # enumeration from text, while it refuses true for a number and 6440 for a text.
            spec = Spec.model_validate_json(
                json.dumps(salvage.data), strict=True, by_alias=True, by_name=False
            )
        except ValidationError as error:
            details = error.errors(include_url=False)
            if not salvage.cut:
                meant = {_meant(detail) for detail in details}
                flaws = [_malformed(root, d) for d in details if d["loc"] not in meant]
            salvage.without([detail["loc"] for detail in details])
    if spec is not None:
        flaws += [_broken(root, found) for found in violations(spec) if _holds(found, salvage.cut)]
    return (None if salvage.cut else spec), flaws


def _holds(found: Violation, cut: set[Path]) -> bool:
    """Whether nothing that a violation rests on was cut out of the spec."""
    return not any(touches(path, lost) for path in (found.path, *found.about) for lost in cut)


def _meant(detail: ErrorDetails) -> Path:
    """The field that an unknown one was probably meant to be: it is not missing as well."""
    path: Path = detail["loc"]
    if detail["type"] != "extra_forbidden":
        return ()
    return (*path[:-1], nearest_name(str(path[-1]), known_fields(Spec, path[:-1])))


def _malformed(root: Mapping, detail: ErrorDetails) -> Flaw:
    path: Path = detail["loc"]
    of_key = path[-1:] == ("[key]",)
    path = path[:-1] if of_key else path
    message = describe(Spec, detail, find(root, path))
    if of_key or detail["type"] == "extra_forbidden":
        return _flaw(key_of(root, path) or root, path, message)
    return _flaw(nearest(root, path), path, message)


def _broken(root: Mapping, found: Violation) -> Flaw:
    # A default that clashes with what the file says is shown where the file says it.
    said = next((path for path in (found.path, *found.about) if find(root, path)), found.path)
    place = nearest(root, said)
    if found.at_key or not isinstance(place, Scalar):
        # The place of a list or mapping is its first entry, which is not what is wrong.
        place = key_of(root, said) or place
    return _flaw(place, found.path, found.message)


def _flaw(place: Node, path: Path, message: str) -> Flaw:
    return Flaw(place.line, place.column, path, message)


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _problem(name: str, flaw: Flaw) -> SpecProblem:
    return SpecProblem(name, flaw.line, flaw.column, _dotted(flaw.path), flaw.message)


def _unreadable(name: str, message: str, line: int = 0, column: int = 0) -> SpecError:
    return SpecError([SpecProblem(name, line, column, "", message)])
