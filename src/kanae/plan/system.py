"""What comes first on every host: its marks, kernel settings and modules."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import belongings, binaries, runtime
from kanae.plan.draft import Draft
from kanae.plan.membership import cluster_mark, identity_mark, listed, roster, shared
from kanae.plan.view import View
from kanae.render import system
from kanae.render.kubeadm import fixed
from kanae.resources.file import Absent, Directory, File
from kanae.resources.model import Resource
from kanae.resources.system import Modules, SwapOff, Sysctl
from kanae.resources.unit import NoUnit, Unit
from kanae.spec.models import Role, Spec, SwapPolicy

# Units that kanae writes for the components of Kubernetes.
OVERRULABLE = (units.CONTAINERD, units.KUBELET, units.ETCD)


def query(spec: Spec, host: str) -> Query:
    """The identity, which is not wanted as a file before the cluster has one."""
    path = marks.path(identity_mark(spec, host))
    return Query(files=(path,), contents=(path,))


def resources(view: View, host: str) -> tuple[Resource, ...]:
    spec, base = view.spec, view.base(host)
    sysctls = system.sysctls(spec, host, base)
    modules = system.modules(spec, host)
    wanted: list[Resource] = []
    if not shared(spec, host):
        replaced = (*binaries.resources(view, host), *runtime.resources(view, host))
        wanted.append(belongings.found(replaced))
    wanted += [
        Directory(at.STATE, 0o700),
        Directory(marks.FOLDER, 0o700),
        Directory(at.KANAE),
        File(marks.path(cluster_mark(spec, host)), spec.name, 0o600),
    ]
    if view.known.identity:
        wanted.append(File(marks.path(identity_mark(spec, host)), view.known.identity, 0o600))
    if Role.CONTROL_PLANE in spec.hosts[host].roles:
        # One that leaves stays on the lists that have it, until it has left.
        there = listed(view.host(host))
        leaving = [each for each in view.leaving if each.name in there]
        wanted.append(File(marks.path(marks.HOSTS), roster(spec, leaving), 0o600))
        if not view.unanswered:
            # Else nobody has compared the spec with the cluster.
            wanted.append(File(marks.path(marks.FIXED), fixed(spec), 0o600))
        provider = spec.networks.pod_network.provider
        wanted.append(File(marks.path(marks.POD_NETWORK), f"{provider.value}\n", 0o600))
    if modules:
        wanted += [File(at.MODULES, system.modules_file(modules)), Modules(tuple(modules))]
    swap_off = spec.policies.swap is SwapPolicy.OFF and host in spec.nodes
    path, name = _sysctl_file(spec, host), units.settings(spec.name)
    if sysctls:
        file = File(path, system.sysctls_file(sysctls))
        unit = File(f"{at.UNITS}/{name}", system.settings_unit(path, modules, swap_off=swap_off))
        wanted += [file, unit]
        wanted += [Sysctl(setting, value) for setting, value in sysctls.items()]
        wanted.append(Unit(name, restart_on=(file.key, unit.key)))
    else:
        wanted += [NoUnit(name, f"{at.UNITS}/{name}"), Absent(path)]
    if swap_off:
        wanted.append(SwapOff())
    return tuple(wanted)


def _sysctl_file(spec: Spec, host: str) -> str:
    """One for each cluster where several share the host, so that none overwrites another's."""
    return at.SYSCTLS.replace(".conf", f"-{spec.name}.conf") if shared(spec, host) else at.SYSCTLS


def overruled(spec: Spec, host: str, facts: HostFacts) -> Iterator[str]:
    """What other files on the host will change at the next boot, a sentence each."""
    ours = _sysctl_file(spec, host).rpartition("/")[2]
    for setting, value in system.sysctls(spec, host, facts.base).items():
        boot = facts.boot_sysctls.get(setting)
        # Files are read in the order of their names, whatever their folder.
        if (
            boot is not None
            and boot.value.split() != value.split()
            and boot.file.rpartition("/")[2] > ours
        ):
            yield (
                f"{boot.file} sets {setting} to {boot.value} at boot, which "
                f"{units.settings(spec.name)} sets back to {value}"
            )
    for unit, fact in facts.units.items():
        for path in fact.dropins if fact is not None and unit in OVERRULABLE else ():
            folder = path.rpartition("/")[0].rpartition("/")[2]
            # What changes services of all kinds is the distribution's.
            if path != at.KUBELET_DROPIN and folder == f"{unit}.d":
                yield f"{path} changes {unit}, which is kanae's"


def plan(draft: Draft) -> None:
    """A host that is new to a living cluster waits until the cluster has it on its list."""
    view = draft.view
    for host in view.reachable:
        for what in overruled(view.spec, host, view.host(host)):
            draft.builder.note(f"{host}: {what}")
    old = view.joined_control_planes
    for host in (*old, *(host for host in view.reachable if host not in old)):
        new = view.mark(host, cluster_mark(view.spec, host)) is None
        draft.at.marked[host] = draft.hosts[host].converge(
            "system",
            "base system",
            resources(view, host),
            needs=[draft.at.marked.get(each) for each in old] if new else (),
        )
