"""How often the cluster is backed up, where backups lie and for how long."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.text import Age


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
