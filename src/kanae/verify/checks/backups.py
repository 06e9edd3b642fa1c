"""Backups that the hosts make by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.layout import units
from kanae.verify.backups import backup_status, backup_words
from kanae.verify.model import Finding, Subject, warning


def scheduled(subject: Subject) -> Iterator[Finding]:
    """Of a cluster that is there: others have nothing that a backup could be of."""
    if not any(subject.joined(host) for host, _ in subject.etcd_hosts()):
        return
    status = backup_status(subject.spec, subject.facts)
    for what in () if status is None else backup_words(status):
        yield warning(
            "backups",
            None,
            what,
            f"`journalctl -u {units.BACKUP}` on the hosts with etcd says why; kanae backup create "
            "makes one now",
        )
