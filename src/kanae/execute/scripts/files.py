"""Single files on a host."""

from __future__ import annotations

from kanae.resources.model import quote


def read(path: str) -> str:
    return f"cat {quote(path)}"


def read_if_there(path: str) -> str:
    return f"[ ! -e {quote(path)} ] || {read(path)}"


def folder_of(path: str, owner: str) -> str:
    """The folder of somebody's file, made as his where it is missing. owner: as chown reads it."""
    folder = quote(path.rpartition("/")[0])
    return f"[ -d {folder} ] || {{ mkdir -m 0750 {folder} && chown -- {quote(owner)} {folder}; }}"


def remove(path: str) -> str:
    return f"rm -f {quote(path)}"
