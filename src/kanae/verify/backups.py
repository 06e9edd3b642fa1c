"""How backups on a schedule are: from facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kanae.backup.name import BackupName, parse
from kanae.errors import Refused
from kanae.facts.model import Facts, HostFacts, Query
from kanae.layout import units
from kanae.plan.membership import known
from kanae.spec.models import Spec


@dataclass(frozen=True, slots=True)
class BackupStatus:
    """every: as the spec has it. newest: when the newest one of this cluster was taken that lies on
    any host that answers, None where there is none; host: where it lies, "" then; age: in seconds.
    overdue: two periods have passed without one. failed: hosts on which the last attempt failed.
    """

    every: str
    newest: datetime | None
    host: str
    age: float | None
    overdue: bool
    failed: tuple[str, ...] = ()


def backup_query(spec: Spec, host: str) -> Query:
    schedule = spec.backup.schedule
    if schedule is None or host not in spec.etcd_hosts:
        return Query()
    return Query(folders=(str(schedule.folder),), units=(units.BACKUP, units.BACKUP_TIMER))


def backup_status(spec: Spec, facts: Facts) -> BackupStatus | None:
    """None where there is no schedule, or nobody that could keep one answers."""
    schedule = spec.backup.schedule
    holders = {host: facts.hosts[host] for host in spec.etcd_hosts if host in facts.hosts}
    if schedule is None or not holders:
        return None
    now = max(here.read_at for here in holders.values())
    folder, whose = str(schedule.folder), _identity(spec, facts)
    found = [
        (name, host)
        for host, here in holders.items()
        for file in here.folders.get(folder, ())
        if (name := parse(file)) is not None and _ours(spec, whose, name)
    ]
    newest, host = max(found, key=lambda each: each[0].taken, default=(None, ""))
    age = None if newest is None else now - newest.taken
    late = 2 * schedule.every.period
    # Of a schedule that is younger than that nothing can be expected yet.
    waited = max((_running(here) for here in holders.values()), default=timedelta(0))
    return BackupStatus(
        schedule.every.value,
        None if newest is None else newest.taken,
        host,
        None if age is None else age.total_seconds(),
        overdue=waited > late if age is None else age > late,
        failed=tuple(
            host
            for host, here in holders.items()
            if (unit := here.units.get(units.BACKUP)) is not None and unit.active == "failed"
        ),
    )


def backup_words(status: BackupStatus) -> Iterator[str]:
    """What is wrong, one a line."""
    for host in status.failed:
        yield f"{host}: its last scheduled backup failed ({units.BACKUP})"
    if status.overdue:
        since = f"since {status.newest:%Y-%m-%d %H:%M} UTC" if status.newest else "yet"
        yield f"no backup {since}, though one is due every {status.every}"


def _running(here: HostFacts) -> timedelta:
    """For how long the schedule has been there."""
    timer = here.units.get(units.BACKUP_TIMER)
    active = timer is not None and timer.active == "active"
    return timedelta(seconds=here.base.uptime - timer.since if timer and active else 0)


def _identity(spec: Spec, facts: Facts) -> str:
    try:
        return known(spec, facts).identity
    except Refused:
        return ""


def _ours(spec: Spec, identity: str, name: BackupName) -> bool:
    return name.is_of(spec.name, identity) if identity else name.cluster == spec.name
