"""Single files on a host."""

from __future__ import annotations

from kanae.resources.model import quote


def read(path: str) -> str:
    return f"cat {quote(path)}"


def read_if_there(path: str) -> str:
    return f"[ ! -e {quote(path)} ] || {read(path)}"


def remove(path: str) -> str:
    return f"rm -f {quote(path)}"
