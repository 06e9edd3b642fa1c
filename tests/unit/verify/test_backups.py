"""How old the newest scheduled backup is, and when that is too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from kanae.facts.model import Facts, UnitFact
from kanae.layout import units
from kanae.verify.backups import backup_query, backup_status, backup_words
from kanae.verify.model import Subject

from .subjects import NOW, change, make_spec, make_subject
from .subjects import found as findings

FOLDER = "/var/backups/kanae"
SPEC = make_spec(backup={"schedule": {"every": "6h"}})
IDENTITY = "0123456789abcdef" * 2


def file(hours: float, *, identity: str = IDENTITY, cluster: str = "demo") -> str:
    taken = NOW - timedelta(hours=hours)
    return f"{cluster}-{taken:%Y%m%dT%H%M%SZ}-{identity[:8]}-{'0' * 16}.tar"


def cluster(held: Sequence[str], *, running: float = 1e6, service: str = "inactive") -> Subject:
    """held: files on m2. running: seconds since the timer of m1 was started."""
    subject = make_subject(SPEC)
    for host in ("m1", "m2", "m3"):
        marks = {"cluster": "demo", "joined": "", "identity": IDENTITY}
        subject = change(subject, host, marks=marks, uptime=running + 50)
    timer = UnitFact("loaded", "active", "enabled", since=50.0)
    state = UnitFact("loaded", service, "static")
    subject = change(subject, "m1", units={units.BACKUP_TIMER: timer, units.BACKUP: state})
    return change(subject, "m2", folders={FOLDER: tuple(held)})


@pytest.mark.parametrize(
    ("held", "running", "overdue"),
    [
        ([file(1), file(7)], 1e6, False),
        ([file(11.9)], 1e6, False),
        ([file(12.1)], 1e6, True),
        ([], 1e6, True),
        ([], 11 * 3600, False),
        # Of others, and what is none.
        ([file(1, identity="f" * 32), file(1, cluster="other"), "notes.tar"], 1e6, True),
    ],
)
def test_two_periods_without_one_are_told(
    held: Sequence[str], running: float, overdue: bool
) -> None:
    subject = cluster(held, running=running)
    status = backup_status(SPEC, subject.facts)
    assert status is not None
    assert status.overdue is overdue
    assert bool(findings(subject, "backups")) is overdue
    assert bool(list(backup_words(status))) is overdue


def test_the_newest_on_any_host_counts() -> None:
    status = backup_status(SPEC, cluster([file(3), file(2)]).facts)
    assert status is not None
    assert (status.host, status.age) == ("m2", 7200.0)


def test_a_run_that_failed_is_told_though_there_is_a_new_one() -> None:
    subject = cluster([file(1)], service="failed")
    words = [finding.evidence for finding in findings(subject, "backups")]
    assert words == ["m1: its last scheduled backup failed (kanae-backup.service)"]


def test_without_a_schedule_nothing_is_asked_and_nothing_told() -> None:
    spec = make_spec()
    assert backup_status(spec, cluster([]).facts) is None
    assert backup_query(spec, "m1").units == ()
    assert backup_query(SPEC, "m1").folders == (FOLDER,)
    assert backup_query(SPEC, "w1").folders == ()


def test_of_a_cluster_that_is_not_there_yet_nothing_is_expected() -> None:
    assert not findings(make_subject(SPEC), "backups")
    nobody = replace(make_subject(SPEC), facts=Facts({}))
    assert not findings(nobody, "backups")
