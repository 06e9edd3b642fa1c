"""A spec file to a `Spec`, or every problem it has with file:line:column."""

from __future__ import annotations

import json
from pathlib import Path as FilePath

from pydantic import ValidationError

from kanae.errors import SpecError, SpecProblem
from kanae.spec.models import Spec
from kanae.spec.reader import MAX_BYTES, parse
from kanae.spec.rules import violations
from kanae.spec.tree import Flaw, Mapping, Node, Path, find, key_of, nearest, plain
from kanae.spec.words import describe, shown


def load(path: FilePath) -> Spec:
    """The spec in a file. Raises SpecError with all problems, also when it cannot be read."""
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(name, f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(name, f"expected a spec of at most {MAX_BYTES >> 10} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise _unreadable(name, "expected UTF-8 text", line, column) from None
    return loads(text, name)


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
    try:
        # From JSON, since that is where pydantic's strict mode still reads an address or an
        # enumeration from text, while it refuses true for a number and 6440 for a text.
        spec = Spec.model_validate_json(
            json.dumps(plain(root)), strict=True, by_alias=True, by_name=False
        )
    except ValidationError as error:
        flaws: list[Flaw] = []
        for detail in error.errors(include_url=False):
            path: Path = detail["loc"]
            at_key = detail["type"] == "extra_forbidden" or path[-1:] == ("[key]",)
            path = path[:-1] if path[-1:] == ("[key]",) else path
            message = describe(Spec, detail, find(root, path))
            flaws.append(_flaw(root, path, message, at_key=at_key))
        return None, flaws
    return spec, [_flaw(root, found.path, found.message) for found in violations(spec)]


def _flaw(root: Node, path: Path, message: str, *, at_key: bool = False) -> Flaw:
    place = (key_of(root, path) if at_key else None) or nearest(root, path)
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
