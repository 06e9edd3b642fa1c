"""What of backups can be made, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from kanae.spec.models import Role, Spec
from kanae.spec.places import Bucket, place_of
from kanae.spec.rules.violation import Violation

_REGION: Final = re.compile(r"[a-z0-9-]{1,50}")
# A path that is a word for a shell script, a unit and tar alike.
_FOLDER: Final = re.compile(r"(/[A-Za-z0-9_.+-]+)+")


def backup_rules(spec: Spec) -> Iterator[Violation]:
    backup = spec.backup
    if backup.target is not None:
        try:
            place = place_of(backup.target)
        except ValueError as error:
            yield Violation(("backup", "target"), str(error))
        else:
            if isinstance(place, Bucket) and backup.s3 is None:
                message = "expected backup.s3.endpoint beside a target s3://"
                yield Violation(("backup", "target"), message, about=(("backup", "s3"),))
    for index, recipient in enumerate(backup.recipients):
        if wrong := wrong_recipient(recipient):
            yield Violation(("backup", "recipients", index), wrong)
    if backup.keep.count is None and backup.keep.age is None:
        yield Violation(("backup", "keep"), "expected count or age: one of them, or both")
    if backup.s3 is not None:
        if not _is_server(backup.s3.endpoint):
            message = "expected http://HOST[:PORT] or https://HOST[:PORT], nothing more"
            yield Violation(("backup", "s3", "endpoint"), message)
        if not _REGION.fullmatch(backup.s3.region):
            yield Violation(("backup", "s3", "region"), "expected a region such as us-east-1")
    if backup.schedule is not None:
        yield from _schedule(spec, str(backup.schedule.folder))


def _schedule(spec: Spec, folder: str) -> Iterator[Violation]:
    here = ("backup", "schedule")
    apart = [host for host in spec.etcd_hosts if Role.CONTROL_PLANE not in spec.hosts[host].roles]
    if apart:
        yield Violation(
            here,
            f"the keys of the cluster are not on {', '.join(apart)}, which hold etcd and are no "
            "control-plane hosts; expected no schedule, and a timer of your own that runs "
            "`kanae backup create`",
            about=(("hosts",), ("etcd",)),
        )
    parts = folder.split("/")
    own = (str(spec.etcd.data_dir), "/var/lib/kanae", "/etc/kanae", "/etc/kubernetes", "/run")
    if not _FOLDER.fullmatch(folder) or {".", ".."} & set(parts) or len(parts) < 3:
        message = "expected an absolute path of plain words at least two folders deep"
        yield Violation((*here, "folder"), message)
    elif any(f"{folder}/".startswith(f"{each}/") for each in own):
        message = "expected a folder that stays when the cluster is reset, and is not etcd's"
        yield Violation((*here, "folder"), message, about=(("etcd", "dataDir"),))


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.port != 0 and bool(parts.hostname)
    except ValueError:
        return False
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return plain and parts.scheme in ("http", "https") and not rest and url.isprintable()


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
