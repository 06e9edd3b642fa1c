"""Resources, binaries and images of a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kanae.execute.events import Outcome
from kanae.execute.scripts.resources import contents as contents_of
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.model import Step
from kanae.render.documents import from_yaml
from kanae.resources.artifact import Binary
from kanae.resources.file import Absent, Directory
from kanae.resources.found import Found
from kanae.resources.model import Content, Resource
from kanae.resources.system import Modules, Packages, Sysctl
from kanae.resources.unit import NoUnit, Unit

from ..machine import SimFile, SimHost
from ..world import World
from .base import Effects, failed


def converge(world: World, step: Step, action: actions.Converge) -> Effects:
    host = world.hosts[step.host or ""]
    contents = contents_of(action)
    yield from upload(host, contents)
    if any(content.path.startswith(f"{at.UNITS}/") for content in contents):
        host.daemon_reload()
        yield
    for resource in action.resources:
        yield from _apply(world, host, step, resource)
    return Outcome.CHANGED


def upload(host: SimHost, contents: Sequence[Content]) -> Iterator[None]:
    for content in contents:
        host.write(content.path, content.text, content.mode, content.owner)
        yield


def _apply(world: World, host: SimHost, step: Step, resource: Resource) -> Iterator[None]:
    match resource:
        case Directory():
            host.files[resource.path] = SimFile("directory", "", resource.mode, resource.owner)
        case Absent():
            host.remove(resource.path)
        case Sysctl():
            host.sysctls[resource.setting] = resource.value
        case Packages():
            yield from _install(host, resource)
        case Found():
            listed = [
                path
                for path in host.files
                if any(path.rpartition("/")[0] == folder for folder in resource.folders)
            ]
            host.write(at.FOUND_LIST, "".join(f"{path}\n" for path in listed), 0o600)
        case Modules():
            pass
        case NoUnit():
            yield from _no_unit(world, host, resource)
        case Unit():
            yield from _unit(world, host, step, resource)
        case _:
            return
    yield


def _install(host: SimHost, wanted: Packages) -> Iterator[None]:
    """A service that comes with its package would start; where it was before it is left alone."""
    for unit in wanted.must_not_start:
        if unit.removesuffix(".service") not in host.packages:
            host.files[f"{at.UNITS}/{unit}"] = SimFile("link", "/dev/null")
            yield
            told = host.text(at.MASKED) if host.has(at.MASKED) else ""
            host.write(at.MASKED, f"{told}{unit}\n")
            yield
    host.packages |= set(wanted.names)


def _unit(world: World, host: SimHost, step: Step, wanted: Unit) -> Iterator[None]:
    if wanted.enabled:
        host.enable(wanted.unit)
    yield
    if not wanted.running:
        return
    restart, reload = (f"{marks.FOLDER}/{act}-{wanted.unit}" for act in ("restart", "reload"))
    verb = "restart" if host.has(restart) else "reload" if host.has(reload) else "start"
    if wanted.unit == units.ETCD:
        yield from _start_etcd(world, host, step, verb)
    else:
        if verb == "restart" and host.active(wanted.unit):
            host.stop(wanted.unit)
            yield
        host.start(wanted.unit, verb)
    if wanted.unit == units.hand_over(world.spec.name):
        # Before it has started, as its unit says.
        host.stop(units.keepalived(world.spec.name))
    if wanted.unit == units.KUBELET:
        host.sync_pods()
    yield
    host.remove(restart)
    host.remove(reload)


def _no_unit(world: World, host: SimHost, gone: NoUnit) -> Iterator[None]:
    if host.active(gone.unit) and not host.has(*host.unit(gone.unit).reads):
        world.violations.append(f"{gone.unit} of {host.name} is stopped when its files have gone")
    if gone.unit == units.keepalived(world.spec.name) and host.active(gone.unit):
        world.violations += world.left_alone(host.name)
    host.disable(gone.unit)
    yield
    for path in (
        gone.path,
        *(f"{marks.FOLDER}/{act}-{gone.unit}" for act in ("restart", "reload")),
    ):
        host.remove(path)
    yield
    host.daemon_reload()


def _start_etcd(world: World, host: SimHost, step: Step, verb: str) -> Iterator[None]:
    for leaf in (at.ETCD_SERVER, at.ETCD_PEER):
        if not world.serves_with(host.name, leaf, at.ETCD_CA):
            raise failed(step, f"etcd: {leaf} is missing or not of this cluster's authority")
    member = f"{(from_yaml(host.text(at.ETCD_CONFIG)) or {})['data-dir']}/member"
    if not host.has(member):
        _first_start(world, host, step)
    world.started.add(host.name)
    if verb == "restart" and host.active(units.ETCD):
        host.stop(units.ETCD)
        yield
    host.start(units.ETCD, verb)
    host.folder(member, 0o700)


def _first_start(world: World, host: SimHost, step: Step) -> None:
    """Without data etcd goes by the file that is laid beside its own (server/embed/etcd.go)."""
    if host.name in world.started:
        world.violations.append(f"etcd of {host.name} starts empty and was a member before")
    beside = from_yaml(host.text(at.ETCD_BOOTSTRAP)) or {}
    named = [each.partition("=")[0] for each in str(beside["initial-cluster"]).split(",")]
    if beside["initial-cluster-state"] == "new":
        if world.started and host.name not in world.members:
            world.violations.append(f"etcd of {host.name} founds a cluster of its own")
        world.members = world.members or dict.fromkeys(named, True)
    elif set(named) != world.members.keys():
        raise failed(step, "error validating peerURLs: member count is unequal")


def binaries(world: World, step: Step, action: actions.DeliverBinaries) -> Effects:
    host = world.hosts[step.host or ""]
    yield from upload(host, action.marks)
    for binary in action.binaries:
        host.files[binary.path] = binary_file(binary)
        yield
    return Outcome.CHANGED


def binary_file(binary: Binary) -> SimFile:
    return SimFile("file", "", 0o755, "root:root", binary.digest.removeprefix("sha256:"))


def images(world: World, step: Step, action: actions.LoadImages) -> Effects:
    host = world.hosts[step.host or ""]
    if not host.active(units.CONTAINERD):
        raise failed(step, "ctr: cannot connect to containerd")
    for image in action.images:
        host.images[image.reference] = image.digest
        yield
    return Outcome.CHANGED
