"""Single files on a host."""

from __future__ import annotations

from kanae.resources.model import quote


def read(path: str) -> str:
    return f"cat {quote(path)}"


def read_if_there(path: str) -> str:
    return f"[ ! -e {quote(path)} ] || {read(path)}"


def folder_of(path: str, owner: str) -> str:
    """The folder of somebody's file, made as his where it is missing. owner: as chown reads it.

    The folder around it is his as well: a link that he puts there meanwhile is not followed.
    """
    folder = quote(path.rpartition("/")[0])
    made = f"mkdir -m 0750 {folder} && chown -h -- {quote(owner)} {folder}"
    return f"[ -d {folder} ] || {{ {made}; }}"


def remove(path: str) -> str:
    return f"rm -f {quote(path)}"
