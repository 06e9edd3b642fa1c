"""What is not restored: anything that could give the cluster to two voices, or another's data."""

from __future__ import annotations

from collections.abc import Collection

from kanae.errors import Refused
from kanae.layout import marks
from kanae.plan.attempt import undecided
from kanae.plan.etcd import data_folder
from kanae.plan.membership import require_ours
from kanae.plan.saved import Saved
from kanae.plan.stand import stand
from kanae.plan.view import View
from kanae.spec.models import Role

# etcd's write-ahead log takes two files of 64 MB at once (server/storage/wal, SegmentSizeBytes).
_LOG = 128 << 20


def refuse(view: View, saved: Saved, off: Collection[str] = ()) -> None:
    """off: hosts that certainly have no power. Raises Refused with the first reason found."""
    _another(view, saved)
    _versions(view, saved)
    _resetting(view)
    _silent(view, off)
    _nobody(view)
    _space(view, saved)


def refuse_discarding(view: View) -> None:
    """Raises Refused while it may still be needed."""
    require_ours(view.spec, view.facts, view.known.identity)
    if hosts := undecided(view):
        raise Refused(
            f"a restore of {view.spec.name} was begun and has not ended ({', '.join(hosts)})",
            remedy="go on with it first: kanae restore SPEC --from FILE, with the same file",
        )


def _another(view: View, saved: Saved) -> None:
    spec = view.spec
    if saved.cluster != spec.name:
        raise Refused(
            f"the backup is of the cluster {saved.cluster!r}, and the spec of {spec.name!r}",
            remedy="give the spec of that cluster, or a backup of this one: kanae backup list",
        )
    if view.known.identity and view.known.identity != saved.identity:
        raise Refused(
            f"the backup is of another cluster called {spec.name!r} ({saved.identity}); this one "
            f"is {view.known.identity}",
            remedy="take a backup of this one: kanae backup list",
        )
    require_ours(spec, view.facts, saved.identity)


def _versions(view: View, saved: Saved) -> None:
    """A minor version of etcd has a form of its data that another need not read."""
    running = view.site.release.components["etcd"].removeprefix("v")
    if _minor(saved.etcd) != _minor(running):
        raise Refused(
            f"the backup was taken from etcd {saved.etcd}, and Kubernetes {view.spec.version} "
            f"comes with etcd {running}: data is restored into the same minor version only",
            remedy=f"set kubernetes: {saved.kubernetes}, restore, then upgrade",
        )
    if saved.topology != view.spec.etcd_topology.value:
        raise Refused(
            f"the backup is of a cluster with {saved.topology} etcd, and the spec has "
            f"{view.spec.etcd_topology.value}",
            remedy=f"set etcd.topology: {saved.topology}",
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _resetting(view: View) -> None:
    begun = [host for host, facts in view.facts.hosts.items() if marks.RESETTING in facts.marks]
    if begun:
        raise Refused(
            f"a reset of {view.spec.name} was interrupted ({', '.join(begun)})",
            remedy="run kanae reset again, to its end, then apply; kanae restore builds anew upon "
            "blank hosts",
        )


def _silent(view: View, off: Collection[str]) -> None:
    """Who has voted or served and is not seen to have stopped may come back and go on."""
    whole = view.former.spec
    if alive := sorted(set(off) & view.facts.hosts.keys()):
        raise Refused(
            f"{', '.join(alive)} is said to be off, and answers",
            remedy="leave --off away: a host that answers is stopped",
        )
    voices = [
        host
        for host, entry in whole.hosts.items()
        if {Role.CONTROL_PLANE, Role.ETCD} & set(entry.roles) and host not in view.facts.hosts
    ]
    if silent := [host for host in voices if host not in off]:
        raise Refused(
            f"{', '.join(silent)} cannot be reached: with the cluster as it was before, it would "
            "be a second one beside the restored when it comes up",
            remedy="bring it up; or see to it that it has no power, say "
            f"{' '.join(f'--off {host}' for host in silent)}, and replace it afterwards "
            f"(kanae replace {silent[0]})",
        )


def _nobody(view: View) -> None:
    who = stand(view)
    if not who.masters or not who.members:
        what = "control-plane host" if not who.masters else "host with a member of etcd"
        raise Refused(
            f"no {what} that answers is this cluster's",
            remedy="bring one back; kanae status tells which are known",
        )


def _space(view: View, saved: Saved) -> None:
    """For the file, and the data that is made of it beside the old."""
    need = 2 * saved.size + _LOG
    for host in stand(view).members:
        disks = view.base(host).disks
        for path in dict.fromkeys((data_folder(view, host), "/var/lib")):
            free = disks[path][0] if path in disks else need
            if free < need and not undecided(view):
                raise Refused(
                    f"{host} has {free / 1e6:.0f} MB left in {path}, and restoring wants "
                    f"{need / 1e6:.0f} MB",
                    remedy="make room there: what is there now is kept beside what is restored",
                )
