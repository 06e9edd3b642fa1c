"""`kubeadm init` and `kubeadm join`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, cast

from kanae.execute.events import Outcome
from kanae.execute.scripts import kubeadm as scripts
from kanae.facts.workloads import DNS, PROXY
from kanae.layout import marks, ports, units
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.addons import ADDONS
from kanae.plan.endpoint import CLUSTER_INFO
from kanae.plan.model import Step
from kanae.render.documents import to_yaml
from kanae.render.kubeadm import CONFIG_MAPS, held

from ..dns import coredns
from ..machine import SimHost
from ..world import Object, World
from . import preflight
from .base import Effects, documents, failed, wait
from .node import (
    issued_by_kubeadm,
    kubelet_client,
    kubelet_conf,
    member,
    record_kubelet,
    record_manifests,
    start_kubelet,
    write_manifests,
)

CA: Final = f"{at.PKI}/ca.crt"
# Without these kubeadm init makes its own, and kubeadm join does not begin.
SHARED: Final = (CA, f"{at.PKI}/ca.key", f"{at.PKI}/sa.key")


def register(world: World, host: str, config: Object) -> None:
    if not world.may_register(host):
        world.violations.append(f"{host} joins before it may register")
    registration = config["nodeRegistration"]
    world.nodes.setdefault(
        host,
        {
            "metadata": {"name": host, "labels": {"kubernetes.io/hostname": host}},
            "spec": {"taints": list(registration["taints"])},
        },
    )


def require_programs(step: Step, host: SimHost) -> None:
    missing = [name for name in ("kubeadm", "crictl") if not host.has(f"{at.BIN}/{name}")]
    if missing or not host.unit(units.KUBELET).enabled or not host.has(at.KUBELET_PATCH):
        raise failed(step, f"{missing or 'kubelet is not set up'}")


def init(world: World, step: Step, action: actions.KubeadmInit) -> Effects:
    name = step.host or ""
    host, docs = world.hosts[name], documents(action.config)
    if host.marked(marks.JOINED):
        yield
        return Outcome.OK
    host.mark(marks.INIT_STARTED)
    yield
    require_programs(step, host)
    config = docs["ClusterConfiguration"]
    allowed = preflight.ignored(
        scripts.init(action, step.timeout), docs["InitConfiguration"]["nodeRegistration"]
    )
    if wrong := preflight.fatal(preflight.of_init(world, host, config), allowed):
        raise failed(step, wrong)
    if not host.has(*SHARED):
        world.violations.append(f"kubeadm init makes authorities of its own on {name}")
    if not host.has(*SHARED):
        raise failed(step, "the simulation has no authorities of kubeadm's own")
    yield from certify(world, host, config, init=True)
    for path, text in kubelet_client(world, name).items():
        host.write(path, text, 0o600)
    host.write(at.KUBELET_CONF, kubelet_conf(local_server(world, name)), 0o600)
    yield
    if not world.external:
        yield from start_member(world, host, config)
        world.members.setdefault(name, True)
    yield from write_manifests(world, host, config)
    yield from start_kubelet(host, docs["KubeletConfiguration"])

    def missing() -> str:
        if world.api_ready(name) and world.endpoint_answers():
            return ""
        return f"Get https://{world.spec.endpoint_host}: context deadline exceeded"

    yield from wait(step, missing)
    yield from store_config(world, docs)
    register(world, name, docs["InitConfiguration"])
    yield
    world.objects[CLUSTER_INFO] = {"data": {"kubeconfig": kubelet_conf(server_of(config))}}
    yield
    for addon in ADDONS:
        yield from put_addon(world, host, addon, docs)

    def joined() -> None:
        world.inits[name] = world.inits.get(name, 0) + 1

    yield from _succeed(
        host, action.kubelet_fingerprint, action.fingerprint, control_plane=True, joined=joined
    )
    return Outcome.CHANGED


def etcd_manifest(config: Object) -> str:
    """As far as it is read: the arguments of etcd."""
    local = config["etcd"]["local"]
    arguments = [("data-dir", local["dataDir"])]
    arguments += [(each["name"], each["value"]) for each in local.get("extraArgs", ())]
    return "".join(f"    - --{name}={value}\n" for name, value in arguments)


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
        record_manifests(host)
        yield
    record_kubelet(host, kubelet)
    yield
    host.mark(marks.JOINED, f"{own}\n")
    joined()
    yield


def certify(world: World, host: SimHost, cluster: Object, *, init: bool) -> Iterator[None]:
    files = issued_by_kubeadm(world, host.name, cluster, server_of(cluster), init=init)
    for path, text in files.items():
        host.write(path, text, 0o600)
    yield


def start_member(world: World, host: SimHost, cluster: Object) -> Iterator[None]:
    """A stacked member of etcd: its manifest, and its data as soon as kubelet runs it."""
    host.write(at.ETCD_MANIFEST, etcd_manifest(cluster), 0o600)
    host.folder(member(cluster), 0o700)
    host.sync_pods()
    world.started.add(host.name)
    yield


def join_etcd(world: World, host: SimHost, step: Step, cluster: Object) -> Iterator[None]:
    """cmd/kubeadm/app/phases/etcd/local.go: whose peer URL is listed already is not added."""

    def refused() -> str:
        """kubeadm asks at all members, so that it also tells whom it does not reach."""
        why = world.add_refused()
        away = [world.address(voter) for voter in world.voters() if not world.etcd_runs(voter)]
        return (
            "; ".join([why, *(f"dial tcp {each}:2379: no answer" for each in away)]) if why else ""
        )

    if world.member_at(world.peer(host.name)) is None:
        yield from wait(step, refused)
        world.members[host.name] = False
        yield
    else:
        world.violations.append(f"etcd of {host.name} starts empty as a member that is listed")
    yield from start_member(world, host, cluster)
    world.members[host.name] = True
    yield


def server_of(cluster: Object) -> str:
    """Of a ClusterConfiguration."""
    return f"https://{cluster['controlPlaneEndpoint']}"


def local_server(world: World, host: str) -> str:
    return f"https://{world.address(host)}:{ports.API_SERVER}"


def store_config(world: World, docs: dict[str, Object]) -> Iterator[None]:
    for key, field, kind in CONFIG_MAPS:
        world.objects[key] = {"data": {field: to_yaml([docs[kind]])}}
        yield


def put_addon(world: World, host: SimHost, name: str, docs: dict[str, Object]) -> Iterator[None]:
    """Objects are written whole: what others have said of them is gone."""
    for key in ADDONS[name]:
        if key == DNS:
            world.objects[key] = coredns(world.objects.get(key), patch_of(host))
            yield
            continue
        data: Object = {}
        if name == "kube-proxy" and key.resource == "configmaps":
            leads = kubelet_conf(server_of(docs["ClusterConfiguration"]))
            data = {"config.conf": to_yaml([docs["KubeProxyConfiguration"]])}
            data["kubeconfig.conf"] = leads
        there = world.objects.get(key)
        world.objects[key] = {"data": data}
        if key == PROXY:
            # Pods go on with what they have read.
            world.objects[key] = there or world.objects[key]
            if there is None:
                run_proxy(world)
        yield


def patch_of(host: SimHost) -> str:
    return host.text(at.COREDNS_PATCH) if host.has(at.COREDNS_PATCH) else ""


def run_proxy(world: World) -> None:
    """kube-proxy's pods start with what its ConfigMap says now."""
    settings = next(key for key in ADDONS["kube-proxy"] if key.resource == "configmaps")
    world.objects[PROXY]["reads"] = world.objects[settings]["data"]


def stored(world: World, number: int) -> Object:
    key, field, _ = CONFIG_MAPS[number]
    return cast("Object", held(world.objects.get(key), field))


def join(world: World, step: Step, action: actions.KubeadmJoin) -> Effects:
    name = step.host or ""
    host, config = world.hosts[name], documents(action.config)["JoinConfiguration"]
    if host.marked(marks.JOINED):
        yield
        return Outcome.OK
    require_programs(step, host)
    leads = f"https://{config['discovery']['bootstrapToken']['apiServerEndpoint']}"
    if not world.reached(leads):
        raise failed(step, f"dial {leads}: no answer")
    cluster, plane = stored(world, 0), action.control_plane
    allowed = preflight.ignored(scripts.join(action, step.timeout), config["nodeRegistration"])
    if wrong := preflight.fatal(preflight.of_join(host, cluster, control_plane=plane), allowed):
        raise failed(step, wrong)
    if plane:
        if not host.has(*SHARED):
            raise failed(step, "one or more conditions for hosting a new control plane: no keys")
        yield from certify(world, host, cluster, init=False)
        yield from write_manifests(world, host, cluster)
    host.write(at.BOOTSTRAP_KUBELET_CONF, "token", 0o600)
    yield
    if not plane:
        host.write(CA, world.hosts[action.source].text(CA))
        yield
    yield from start_kubelet(host, stored(world, 1))
    register(world, name, config)
    leads = local_server(world, name) if plane else server_of(cluster)
    for path, text in kubelet_client(world, name).items():
        host.write(path, text, 0o600)
    host.write(at.KUBELET_CONF, kubelet_conf(leads), 0o600)
    host.remove(at.BOOTSTRAP_KUBELET_CONF)
    yield
    if plane and not world.external:
        yield from join_etcd(world, host, step, cluster)
    if action.control_plane and not world.api_ready(name):
        raise failed(step, "the API server does not become ready")
    yield from _succeed(
        host, action.kubelet_fingerprint, action.fingerprint, control_plane=action.control_plane
    )
    world.joins[name] = world.joins.get(name, 0) + 1
    return Outcome.CHANGED
