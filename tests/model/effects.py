"""What each deed does to the simulated hosts, one effect after another.

Every `yield` is a moment at which an operator can be killed or a host lose its power.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, cast

from ruamel.yaml import YAML

from kanae.errors import StepFailed
from kanae.execute.events import Outcome
from kanae.plan import deeds
from kanae.plan.model import Deed, Step
from kanae.plan.nodes import OWNED
from kanae.plan.objects import ADDONS
from kanae.plan.view import INIT_STARTED, JOINED, KUBELET, MANIFESTS
from kanae.render import paths as at
from kanae.render.documents import to_yaml
from kanae.render.kubeadm import CONFIG_MAPS, held
from kanae.render.objects import key_of
from kanae.resources.artifact import Binary
from kanae.resources.file import Absent, Directory
from kanae.resources.model import Content, Resource
from kanae.resources.system import Modules, Packages, Sysctl
from kanae.resources.unit import MARKS, Unit
from kanae.spec.models import Role

from .machine import SimFile, SimHost
from .world import API_SERVER, Object, World

Effects = Generator[None, None, Outcome]
STATIC_PODS: Final = (API_SERVER, "kube-controller-manager", "kube-scheduler")
MEMBER: Final = "/var/lib/etcd/member"


def documents(config: str) -> dict[str, Object]:
    """kubeadm's documents by kind."""
    yaml = YAML(typ="safe", pure=True)
    loaded = cast("list[Object]", list(yaml.load_all(config)))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]  # untyped
    return {str(each["kind"]): each for each in loaded}


def failed(step: Step, why: str) -> StepFailed:
    return StepFailed(step.host or "", type(step.deed).__name__, 1, why)


# Host resources


def converge(world: World, step: Step, deed: deeds.Converge) -> Effects:
    host = world.hosts[step.host or ""]
    contents = [*deed.marks, *(each for res in deed.resources for each in res.uploads())]
    yield from upload(host, contents)
    if any(content.path.startswith(f"{at.UNITS}/") for content in contents):
        host.daemon_reload()
        yield
    for resource in deed.resources:
        yield from _apply(world, host, step, resource)
    return Outcome.CHANGED


def upload(host: SimHost, contents: list[Content]) -> Iterator[None]:
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
            host.packages |= set(resource.names)
        case Modules():
            pass
        case Unit():
            yield from _unit(world, host, step, resource)
        case _:
            return
    yield


def _unit(world: World, host: SimHost, step: Step, wanted: Unit) -> Iterator[None]:
    host.enable(wanted.unit)
    yield
    if not wanted.running:
        return
    restart, reload = (f"{MARKS}/{act}-{wanted.unit}" for act in ("restart", "reload"))
    verb = "restart" if host.has(restart) else "reload" if host.has(reload) else "start"
    if wanted.unit == at.ETCD:
        yield from _start_etcd(world, host, step, verb)
    else:
        if verb == "restart" and host.active(wanted.unit):
            host.stop(wanted.unit)
            yield
        host.start(wanted.unit, verb)
    if wanted.unit == at.KUBELET:
        host.sync_pods()
    yield
    host.remove(restart)
    host.remove(reload)


def _start_etcd(world: World, host: SimHost, step: Step, verb: str) -> Iterator[None]:
    for leaf in (at.ETCD_SERVER, at.ETCD_PEER):
        if not world.serves_with(host.name, leaf, at.ETCD_CA):
            raise failed(step, f"etcd: {leaf} is missing or not of this cluster's authority")
    if not host.has(MEMBER) and host.name in world.members:
        world.violations.append(f"etcd of {host.name} starts empty and was a member before")
    world.members[host.name] = True
    if verb == "restart" and host.active(at.ETCD):
        host.stop(at.ETCD)
        yield
    host.start(at.ETCD, verb)
    host.folder(MEMBER, 0o700)


def binaries(world: World, step: Step, deed: deeds.DeliverBinaries) -> Effects:
    host = world.hosts[step.host or ""]
    yield from upload(host, list(deed.marks))
    for binary in deed.binaries:
        host.files[binary.path] = binary_file(binary)
        yield
    return Outcome.CHANGED


def binary_file(binary: Binary) -> SimFile:
    return SimFile("file", "", 0o755, "root:root", binary.digest.removeprefix("sha256:"))


def images(world: World, step: Step, deed: deeds.LoadImages) -> Effects:
    host = world.hosts[step.host or ""]
    if not host.active(at.CONTAINERD):
        raise failed(step, "ctr: cannot connect to containerd")
    for image in deed.images:
        host.images[image.reference] = image.digest
        yield
    return Outcome.CHANGED


# kubeadm


def admin_conf(host: str) -> str:
    """A kubeconfig as kubeadm writes it, with a key that tests look for where it must not be."""
    return (
        "apiVersion: v1\nkind: Config\n"
        "clusters: [{name: kubernetes, cluster: {server: https://endpoint}}]\n"
        f"users: [{{name: kubernetes-admin, user: {{client-key-data: SECRET-KEY-OF-{host}}}}}]\n"
        "contexts: [{name: c, context: {cluster: kubernetes, user: kubernetes-admin}}]\n"
        "current-context: c\n"
    )


def _preflight(world: World, step: Step, host: SimHost, allowed: bool, control_plane: bool) -> None:
    """kubeadm's checks, as far as what is simulated can break them."""
    wrong: list[str] = []
    if not host.active(at.CONTAINERD):
        wrong.append("container runtime is not running")
    wrong += [f"{program} is not there" for program in ("kubelet", "kubeadm", "crictl")
              if not host.has(f"{at.BIN}/{program}")]  # fmt: skip
    wrong += [f"{package} is not installed" for package in ("conntrack", "iptables")
              if package not in host.packages]  # fmt: skip
    if host.sysctls.get("net.ipv4.ip_forward") != "1":
        wrong.append("ip_forward is not 1")
    if not host.has(at.KUBELET_UNIT, at.KUBELET_DROPIN) or not host.unit(at.KUBELET).enabled:
        wrong.append("kubelet's unit is not enabled")
    if not host.has(at.KUBELET_PATCH):
        wrong.append("no patches")
    if not allowed:
        taken = [at.KUBELET_CONF, *(f"{at.MANIFESTS}/{pod}.yaml" for pod in STATIC_PODS)]
        wrong += [f"{path} already exists" for path in taken if host.has(path)]
        if control_plane and not world.external and host.has(MEMBER):
            wrong.append(f"{MEMBER} is not empty")
    if control_plane:
        wrong += [f"no image of {pod}" for pod in STATIC_PODS
                  if not any(pod in reference for reference in host.images)]  # fmt: skip
        if world.external and not world.quorum():
            wrong.append("external etcd does not answer")
        if world.external and not world.serves_with(host.name, at.ETCD_API_CLIENT, at.ETCD_CA):
            wrong.append("no client certificate for etcd")
        if not host.has(f"{at.PKI}/ca.crt", f"{at.PKI}/ca.key", f"{at.PKI}/sa.key"):
            wrong.append("authorities are not there")
    if wrong:
        raise failed(step, "[preflight] Some fatal errors occurred: " + "; ".join(wrong))


def manifest(world: World, host: SimHost, pod: str, config: Object) -> str:
    """A static pod's manifest: changes when anything it is made from does."""
    patch = host.files.get(at.API_SERVER_PATCH)
    patched = patch.sha if patch is not None and pod == API_SERVER else ""
    return json.dumps([pod, host.name, config, patched], sort_keys=True)


def _write_manifests(world: World, host: SimHost, config: Object) -> Iterator[None]:
    for pod in STATIC_PODS:
        text = manifest(world, host, pod, config)
        path = f"{at.MANIFESTS}/{pod}.yaml"
        if pod == API_SERVER and host.has(path) and host.text(path) != text:
            host.pods.pop(pod, None)
            yield
        host.write(path, text, 0o600)
        host.sync_pods()
        yield


def kubelet_config(host: SimHost, shared: Object) -> str:
    return json.dumps([shared, host.text(at.KUBELET_PATCH)], sort_keys=True)


def _start_kubelet(host: SimHost, shared: Object, verb: str = "restart") -> Iterator[None]:
    host.write(at.KUBELET_CONFIG, kubelet_config(host, shared))
    yield
    host.start(at.KUBELET, verb)
    host.sync_pods()
    yield


def register(world: World, host: str, config: Object) -> None:
    registration = config["nodeRegistration"]
    world.nodes.setdefault(
        host,
        {
            "metadata": {"name": host, "labels": {"kubernetes.io/hostname": host}},
            "spec": {"taints": list(registration["taints"])},
        },
    )


def _record_kubelet(host: SimHost, fingerprint: str) -> None:
    host.mark(KUBELET, f"{fingerprint}\n{host.recorded(at.KUBELET_CONFIG)}")


def _record_manifests(host: SimHost) -> None:
    names = sorted(p for p in host.files if p.startswith(f"{at.MANIFESTS}/"))
    host.mark(MANIFESTS, host.recorded(*names))


def init(world: World, step: Step, deed: deeds.KubeadmInit) -> Effects:
    name = step.host or ""
    host, docs = world.hosts[name], documents(deed.config)
    if host.marked(JOINED):
        yield
        return Outcome.OK
    host.mark(INIT_STARTED)
    yield
    _preflight(world, step, host, deed.resume, control_plane=True)
    config = docs["ClusterConfiguration"]
    for path in (f"{at.PKI}/apiserver.crt", at.ADMIN_CONF, at.KUBELET_CONF):
        host.write(path, admin_conf(name), 0o600)
        yield
    yield from _start_kubelet(host, docs["KubeletConfiguration"])
    yield from _write_manifests(world, host, config)
    if not world.external:
        host.write(f"{at.MANIFESTS}/etcd.yaml", "etcd", 0o600)
        host.folder(MEMBER, 0o700)
        world.members.setdefault(name, True)
        host.sync_pods()
        yield
    if not world.api_ready(name) or not world.endpoint_answers():
        raise failed(step, "context deadline exceeded")
    yield from store_config(world, docs)
    register(world, name, docs["InitConfiguration"])
    yield
    for addon in ADDONS:
        yield from _addon(world, addon, docs)

    def joined() -> None:
        world.inits[name] = world.inits.get(name, 0) + 1

    yield from _succeed(
        host, deed.kubelet_fingerprint, deed.fingerprint, control_plane=True, joined=joined
    )
    return Outcome.CHANGED


def _succeed(
    host: SimHost,
    kubelet: str,
    own: str,
    *,
    control_plane: bool,
    joined: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """joined: called at the very moment at which the host counts as joined."""
    if control_plane:
        _record_manifests(host)
        yield
    _record_kubelet(host, kubelet)
    yield
    host.mark(JOINED, own)
    joined()
    yield


def store_config(world: World, docs: dict[str, Object]) -> Iterator[None]:
    for key, field, kind in CONFIG_MAPS:
        world.objects[key] = {"data": {field: to_yaml([docs[kind]])}}
        yield


def _addon(world: World, name: str, docs: dict[str, Object]) -> Iterator[None]:
    for key in ADDONS[name]:
        data: Object = {}
        if name == "kube-proxy" and key.resource == "configmaps":
            data = {"config.conf": to_yaml([docs["KubeProxyConfiguration"]])}
        world.objects[key] = {"data": data}
        yield


def _stored(world: World, number: int) -> Object:
    key, field, _ = CONFIG_MAPS[number]
    return cast("Object", held(world.objects.get(key), field))


def join(world: World, step: Step, deed: deeds.KubeadmJoin) -> Effects:
    name = step.host or ""
    host, config = world.hosts[name], documents(deed.config)["JoinConfiguration"]
    if host.marked(JOINED):
        yield
        return Outcome.OK
    _preflight(world, step, host, False, control_plane=deed.control_plane)
    if not world.endpoint_answers():
        raise failed(step, "couldn't reach the endpoint")
    host.write(at.BOOTSTRAP_KUBELET_CONF, "token", 0o600)
    yield
    if deed.control_plane:
        for path in (f"{at.PKI}/apiserver.crt", at.ADMIN_CONF):
            host.write(path, admin_conf(name), 0o600)
            yield
        yield from _write_manifests(world, host, _stored(world, 0))
    yield from _start_kubelet(host, _stored(world, 1))
    register(world, name, config)
    host.write(at.KUBELET_CONF, f"of {name}", 0o600)
    host.remove(at.BOOTSTRAP_KUBELET_CONF)
    yield
    if deed.control_plane and not world.external:
        world.members[name] = False
        yield
        host.write(f"{at.MANIFESTS}/etcd.yaml", "etcd", 0o600)
        host.folder(MEMBER, 0o700)
        host.sync_pods()
        yield
        world.members[name] = True
        yield
    if deed.control_plane and not world.api_ready(name):
        raise failed(step, "the API server does not become ready")
    yield from _succeed(
        host, deed.kubelet_fingerprint, deed.fingerprint, control_plane=deed.control_plane
    )
    world.joins[name] = world.joins.get(name, 0) + 1
    return Outcome.CHANGED


def clear(world: World, step: Step, deed: deeds.ClearNode) -> Effects:
    name = step.host or ""
    host = world.hosts[name]
    if host.marked(JOINED):
        return Outcome.OK
    if not world.endpoint_answers():
        raise failed(step, "kubectl cannot reach the API")
    if deed.etcd_member:
        world.members.pop(name, None)
        yield
    world.nodes.pop(deed.node, None)
    yield
    if host.active(at.KUBELET):
        host.stop(at.KUBELET)
    yield
    host.pods = {}
    host.remove(at.KUBELET_CONFIG)
    yield
    host.remove(at.MANIFESTS)
    yield
    for path in (at.KUBELET_CONF, at.BOOTSTRAP_KUBELET_CONF, at.ADMIN_CONF):
        host.remove(path)
    for mark in (JOINED, MANIFESTS, KUBELET):
        host.remove(f"{MARKS}/{mark}")
    yield
    if deed.etcd_member:
        host.remove(f"{deed.data_dir}/member")
    yield
    return Outcome.CHANGED


def reconfigure_control_plane(
    world: World, step: Step, deed: deeds.ReconfigureControlPlane
) -> Effects:
    host = world.hosts[step.host or ""]
    yield from _write_manifests(world, host, documents(deed.config)["ClusterConfiguration"])
    _record_manifests(host)
    yield
    host.mark(JOINED, deed.fingerprint)
    yield
    return Outcome.CHANGED


def upload_config(world: World, step: Step, deed: deeds.UploadConfig) -> Effects:
    _api(world, step)
    yield from store_config(world, documents(deed.config))
    return Outcome.CHANGED


def reconfigure_kubelet(world: World, step: Step, deed: deeds.ReconfigureKubelet) -> Effects:
    host = world.hosts[step.host or ""]
    _api(world, step)
    yield from _start_kubelet(host, _stored(world, 1))
    _record_kubelet(host, deed.fingerprint)
    yield
    return Outcome.CHANGED


def addon(world: World, step: Step, deed: deeds.Addon) -> Effects:
    _api(world, step)
    yield from _addon(world, deed.name, documents(deed.config))
    return Outcome.CHANGED


# The cluster


def _api(world: World, step: Step) -> None:
    host = world.hosts[step.host or ""]
    if not host.has(at.ADMIN_CONF) and Role.CONTROL_PLANE in world.spec.hosts[host.name].roles:
        raise failed(step, f"no {at.ADMIN_CONF}")
    if not world.endpoint_answers():
        raise failed(step, "the API does not answer")


def mint_token(world: World, step: Step, deed: deeds.MintToken) -> Effects:
    _api(world, step)
    yield
    return Outcome.CHANGED


def apply_objects(world: World, step: Step, deed: deeds.ApplyObjects) -> Effects:
    _api(world, step)
    for text in deed.documents:
        document: Object = json.loads(text)
        world.objects[key_of(document)] = document
        yield
    return Outcome.CHANGED


def set_node(world: World, step: Step, deed: deeds.SetNode) -> Effects:
    _api(world, step)
    if deed.node not in world.nodes:
        raise failed(step, f"node {deed.node} not found")
    node = world.nodes[deed.node]
    labels: dict[str, str] = node["metadata"]["labels"]
    labels.update(deed.labels)
    for key in deed.unlabel:
        labels.pop(key, None)
    node["metadata"]["annotations"] = {OWNED: ",".join(key for key, _ in deed.labels)}
    if deed.taints:
        node["spec"]["taints"] = json.loads(deed.taints)
    yield
    return Outcome.CHANGED


def _wait(step: Step, holds: Callable[[], bool], turns: int = 400) -> Iterator[None]:
    for _ in range(turns):
        if holds():
            return
        yield
    raise failed(step, "waited in vain")


def await_etcd(world: World, step: Step, deed: deeds.AwaitEtcd) -> Effects:
    members = world.spec.having(Role.ETCD)
    yield from _wait(step, lambda: all(world.etcd_runs(host) for host in members))
    return Outcome.OK


def await_api(world: World, step: Step, deed: deeds.AwaitApi) -> Effects:
    yield from _wait(step, lambda: world.api_ready(step.host or ""))
    return Outcome.OK


def await_nodes(world: World, step: Step, deed: deeds.AwaitNodes) -> Effects:
    yield from _wait(step, lambda: all(world.node_ready(node) for node in deed.nodes))
    return Outcome.OK


# Reset


def stop_node(world: World, step: Step, deed: deeds.StopNode) -> Effects:
    host = world.hosts[step.host or ""]
    if host.active(at.KUBELET):
        host.stop(at.KUBELET)
    yield
    host.remove(at.MANIFESTS)
    yield
    if host.active(at.CONTAINERD):
        host.pods = {}
    yield
    return Outcome.CHANGED


def remove_etcd(world: World, step: Step, deed: deeds.RemoveEtcd) -> Effects:
    host = world.hosts[step.host or ""]
    serving = [name for name in world.hosts if API_SERVER in world.hosts[name].pods]
    if serving:
        world.violations.append(f"{step.id} while API servers run on {serving}")
    if host.active(at.ETCD):
        host.stop(at.ETCD)
    yield
    host.remove(deed.data)
    world.members.pop(host.name, None)
    yield
    return Outcome.CHANGED


def remove_cluster(world: World, step: Step, deed: deeds.RemoveCluster) -> Effects:
    host = world.hosts[step.host or ""]
    for unit in deed.units:
        host.units.pop(unit, None)
        yield
    if deed.node:
        host.remove(at.KUBELET_STATE)
        world.nodes.pop(host.name, None)
        if not deed.keep_images:
            host.images = {}
        yield
    for path in deed.files:
        host.remove(path)
        yield
    for tree in deed.trees:
        host.remove(tree)
        yield
    return Outcome.CHANGED


EFFECTS: Final[dict[type[Deed], Callable[[World, Step, Any], Effects]]] = {
    deeds.Converge: converge,
    deeds.DeliverBinaries: binaries,
    deeds.LoadImages: images,
    deeds.KubeadmInit: init,
    deeds.MintToken: mint_token,
    deeds.KubeadmJoin: join,
    deeds.ClearNode: clear,
    deeds.ReconfigureControlPlane: reconfigure_control_plane,
    deeds.UploadConfig: upload_config,
    deeds.ReconfigureKubelet: reconfigure_kubelet,
    deeds.Addon: addon,
    deeds.ApplyObjects: apply_objects,
    deeds.SetNode: set_node,
    deeds.AwaitEtcd: await_etcd,
    deeds.AwaitApi: await_api,
    deeds.AwaitNodes: await_nodes,
    deeds.StopNode: stop_node,
    deeds.RemoveEtcd: remove_etcd,
    deeds.RemoveCluster: remove_cluster,
}
