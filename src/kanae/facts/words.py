"""What is asked for, as words of a shell: names by their syntax, everything else in quotes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable


def path(text: str) -> str:
    """Raises ValueError for what is no absolute path, or could pass for more than one line."""
    if not text.startswith("/") or re.search(r"[\x00-\x1f\\]| -> ", text):
        raise ValueError(f"not a path to ask for: {text!r}")
    return text


def asked_path(text: str) -> str:
    """A path as a word of sh; one that begins with `~/` is below "$home", which the script sets.

    Raises ValueError as `path` does.
    """
    if text.startswith("~/"):
        return f'"$home"{shlex.quote(path(text.removeprefix("~")))}'
    return shlex.quote(path(text))


def like(pattern: re.Pattern[str], name: str) -> str:
    """Raises ValueError for another name than the pattern's."""
    if not pattern.fullmatch(name):
        raise ValueError(f"not a name to ask for: {name!r}")
    return name


def quoted(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def quoted_lines(words: Iterable[str]) -> str:
    return shlex.quote("\n".join(words))
