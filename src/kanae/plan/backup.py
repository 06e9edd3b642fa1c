"""Backups on a schedule: what the hosts with etcd have for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.certificates import AUTHORITIES, authorities
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.render import backup
from kanae.render.documents import to_yaml
from kanae.render.kubeadm import CONFIG_MAPS
from kanae.resources.file import Absent, File
from kanae.resources.model import Resource
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Role, Spec

# What the cluster remembers of itself.
MARKS: Final = (marks.CLUSTER, marks.IDENTITY, marks.HOSTS, marks.FIXED, marks.POD_NETWORK)
# What kubeadm and its add-ons keep in the cluster, in kube-system.
OBJECTS: Final = (*(key.name for key, _, _ in CONFIG_MAPS), "kube-proxy")
ENCRYPTION: Final = "encryption/config.yaml"
# Where an API server is told how Secrets are encrypted.
_ENCRYPTION: Final = "encryption-provider-config"


def files(spec: Spec, host: str) -> Mapping[str, str]:
    """Those of a control-plane or etcd host that belong into a backup: path -> name there."""
    found = {
        path: f"pki/{PurePosixPath(path).relative_to(at.PKI)}"
        for name, private in authorities(spec, host).items()
        if private
        for path in AUTHORITIES[name]
    }
    if Role.CONTROL_PLANE in spec.hosts[host].roles:
        found |= {marks.path(mark): f"marks/{mark}" for mark in MARKS}
        if path := encryption_config(spec):
            found[path] = ENCRYPTION
    return found


def encryption_config(spec: Spec) -> str:
    """Where control-plane hosts have it; "" where nothing is encrypted."""
    return spec.api_server.extra_args.get(_ENCRYPTION, "")


def resources(view: View, host: str) -> tuple[Resource, ...]:
    spec = view.spec
    if host not in spec.etcd_hosts or Role.CONTROL_PLANE not in spec.hosts[host].roles:
        return ()
    schedule = spec.backup.schedule
    if schedule is None:
        return (
            NoUnit(units.BACKUP_TIMER, at.BACKUP_TIMER_UNIT),
            NoUnit(units.BACKUP, at.BACKUP_UNIT),
            Absent(at.BACKUP_SCRIPT),
            Absent(at.BACKUP_SPEC),
        )
    of_host = {at.BACKUP_SPEC: "spec.yaml", **files(spec, host)}
    timer = File(at.BACKUP_TIMER_UNIT, backup.timer(spec, schedule))
    said = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return (
        File(at.BACKUP_SPEC, to_yaml([said]), 0o600),
        File(at.BACKUP_SCRIPT, backup.script(spec, host, of_host, OBJECTS), 0o755),
        File(at.BACKUP_UNIT, backup.service(spec)),
        # Started by the timer alone.
        Unit(units.BACKUP, running=False, enabled=False),
        timer,
        Unit(units.BACKUP_TIMER, restart_on=(timer.key,)),
    )


def plan(draft: Draft) -> None:
    """When the host is in the cluster: before that there is nothing that a backup could be of."""
    for host, build in draft.hosts.items():
        joined = draft.at.init if host == draft.first else draft.at.joins.get(host)
        build.converge("backup", "backups", resources(draft.view, host), [joined])
