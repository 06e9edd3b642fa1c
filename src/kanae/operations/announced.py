"""What a host says of a snapshot of etcd before it sends it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, cast

from kanae.execute.scripts.snapshot import OPENING

_DIGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Announced:
    """size: bytes. sha256: hex. revision, hash, keys: of etcd, as its own tool tells them."""

    size: int
    sha256: str
    revision: int
    hash: int
    keys: int


def parse_announced(opening: bytes, status: bytes) -> Announced | None:
    """Of the two lines that `execute.scripts.snapshot.printed` prints; None when they are not
    these."""
    match opening.decode(errors="replace").split():
        case [word, size, sha256] if (
            word == OPENING and size.isdecimal() and len(sha256) == _DIGEST
        ):
            pass
        case _:
            return None
    try:
        told = cast("dict[str, Any]", json.loads(status))
        return Announced(
            int(size), sha256, int(told["revision"]), int(told["hash"]), int(told["totalKey"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
