"""How often the cluster is backed up, where backups lie and for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.text import DOMAIN, Age


class Every(StrEnum):
    """A part of a day, so that backups come at the same times each day."""

    HOUR = "1h"
    TWO_HOURS = "2h"
    THREE_HOURS = "3h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    HALF_DAY = "12h"
    DAY = "24h"

    @property
    def hours(self) -> int:
        return int(self.value.removesuffix("h"))

    @property
    def period(self) -> timedelta:
        return timedelta(hours=self.hours)


class BackupSchedule(Model):
    """Backups that the hosts with etcd make by themselves, in turn, each into a folder of its own.

    They are in the clear: the same keys and the same data are on these hosts anyway.
    """

    every: Every = Field(
        default=Every.DAY, description="One of these hosts makes a backup so often, counted in UTC."
    )
    folder: PurePosixPath = Field(
        default=PurePosixPath("/var/backups/kanae"),
        description="On each host with etcd; absolute path, for kanae alone.",
    )


class Keep(Model):
    """Which backups `kanae backup prune` and the schedule leave: those that both allow."""

    count: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        default=None, description="So many of the newest; of the schedule's, on each host."
    )
    age: Age | None = Field(default=None, description="Those that are younger, such as 30d.")


class ObjectStorage(Model):
    """S3-compatible object storage. Credentials are never in the spec: see docs/backup.md."""

    endpoint: str = Field(description="http or https URL of the server, without a path.")
    region: str = Field(default="us-east-1", description="As the server calls it.")


class Backup(Model):
    """etcd's data, the cluster's keys and configuration, one file each time."""

    target: str | None = Field(
        default=None,
        description="Where `kanae backup create` puts backups: a folder of this machine (relative "
        "to the spec), ssh://HOST/PATH or s3://BUCKET/PREFIX.",
    )
    recipients: list[str] = Field(
        default_factory=list,
        description="Public keys (age1..., ssh-ed25519 ...) whose owners can read what `kanae "
        "backup create` makes. Without any, backups hold all keys of the cluster in the clear.",
    )
    schedule: BackupSchedule | None = None
    keep: Keep = Keep(count=10)
    s3: ObjectStorage | None = None


def age(text: str) -> timedelta:
    """Of `Keep.age`, whose pattern has refused anything else."""
    hours = {"h": 1, "d": 24, "w": 24 * 7}
    return timedelta(hours=int(text[:-1]) * hours[text[-1]])


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


_AGE_KEY: Final = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_SSH_KEY: Final = re.compile(r"ssh-(ed25519|rsa) [A-Za-z0-9+/]+={0,2}( [^\x00-\x1f\x7f]*)?")


def wrong_recipient(text: str) -> str:
    """Why nothing can be encrypted for this public key, "" when it can. The key itself is not
    repeated: it may be a private one by mistake."""
    if "AGE-SECRET-KEY" in text.upper() or "PRIVATE KEY" in text:
        return "expected a public key (age1...); this is a private one, which no longer is secret"
    if not (_AGE_KEY.fullmatch(text) or _SSH_KEY.fullmatch(text)):
        return "expected a public key of age (age1...) or SSH (ssh-ed25519 ..., ssh-rsa ...)"
    import pyrage  # only of use here, and rarely

    kind = pyrage.x25519 if text.startswith("age1") else pyrage.ssh
    try:
        kind.Recipient.from_str(text)
    except pyrage.RecipientError:
        return "expected a whole public key; this one is damaged"
    return ""
