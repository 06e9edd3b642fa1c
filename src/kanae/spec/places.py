"""Places where backups are kept, as the spec and the command line name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from kanae.spec.text import DOMAIN

_HOST: Final = re.compile(rf"{DOMAIN}|[0-9]{{1,3}}(\.[0-9]{{1,3}}){{3}}", re.IGNORECASE)
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\$-]{0,254}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
# Of buckets: docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,500}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the operator's machine, as it was written."""

    path: str


@dataclass(frozen=True, slots=True)
class OverSsh:
    """host: of the spec, or any that this machine reaches by SSH. port: None for its own."""

    host: str
    path: PurePosixPath
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """prefix: "" or without a slash at either end."""

    name: str
    prefix: str


def place_of(text: str) -> Folder | OverSsh | Bucket:
    """What a target means. ValueError with what was expected."""
    if _CONTROLS.search(text) or not text.strip():
        raise ValueError("expected a folder, ssh://HOST/PATH or s3://BUCKET/PREFIX")
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Folder(text)
    match scheme:
        case "ssh":
            return _over_ssh(text)
        case "s3":
            return _bucket(text)
        case _:
            raise ValueError("expected a folder, ssh://HOST/PATH or s3://BUCKET/PREFIX")


def _over_ssh(text: str) -> OverSsh:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expected ssh://[USER@]HOST[:PORT]/PATH") from None
    if parts.password is not None:
        raise ValueError("expected no password in it; kanae logs in by key")
    user = None if parts.username is None else unquote(parts.username)
    path = PurePosixPath(unquote(parts.path))
    if (
        not _HOST.fullmatch(host)
        or (user is not None and not _USER.fullmatch(user))
        or port == 0
        or not path.is_absolute()
        or parts.query
        or parts.fragment
        or _CONTROLS.search(str(path))
    ):
        raise ValueError("expected ssh://[USER@]HOST[:PORT]/PATH")
    if len(path.parts) < 2 or ".." in path.parts:
        raise ValueError("expected a folder of its own below /, without ..")
    return OverSsh(host, path, user, port)


def _bucket(text: str) -> Bucket:
    name, _, prefix = text.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(name) or not _PREFIX.fullmatch(prefix):
        raise ValueError("expected s3://BUCKET/PREFIX of letters, digits, dots and hyphens")
    if {"..", "."} & set(prefix.split("/")):
        raise ValueError("expected a prefix without ..")
    return Bucket(name, prefix)
