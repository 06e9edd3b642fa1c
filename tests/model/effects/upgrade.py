"""Moving hosts to another version of Kubernetes."""

from __future__ import annotations

from kanae.execute.events import Outcome
from kanae.facts.nodes import CORDONED
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan import upgrade_actions
from kanae.plan.model import Step
from kanae.spec.models import Role
from kanae.spec.versions import KubernetesVersion, upgrade_skew

from .. import versions
from ..world import API_SERVER, World
from .base import STATIC_PODS, Effects, documents, failed, require_api, wait
from .kubeadm import certify, etcd_manifest, stored
from .node import record_manifests, write_manifests


def control_plane(world: World, step: Step, action: upgrade_actions.KubeadmUpgrade) -> Effects:
    """cmd/kubeadm/app/cmd/phases/upgrade/apply/preflight.go and phases/upgrade/staticpods.go."""
    name = step.host or ""
    host, docs = world.hosts[name], documents(action.config)
    if host.marked(marks.JOINED) and host.text(marks.path(marks.JOINED)).strip() == (
        action.fingerprint
    ):
        yield
        return Outcome.OK
    host.mark(marks.UPGRADING)
    yield
    host.mark(marks.JOINED, "changing\n")
    yield
    require_api(world, step)
    yield from certify(world, host, docs["ClusterConfiguration"])
    _preflight(world, step, action)
    cluster = stored(world, 0)
    if docs["UpgradeConfiguration"]["node"]["etcdUpgrade"]:
        manifest = etcd_manifest(cluster)
        if host.text(at.ETCD_MANIFEST) != manifest:
            host.pods.pop("etcd", None)
            yield
            host.write(at.ETCD_MANIFEST, manifest, 0o600)
            host.sync_pods()
            yield from wait(step, lambda: "" if world.etcd_runs(name) else "etcd is not healthy")
    yield from write_manifests(world, host, cluster)
    yield from wait(step, lambda: "" if API_SERVER in host.pods else "no new pod")
    record_manifests(host)
    yield
    host.remove(marks.path(marks.UPGRADING))
    yield
    host.mark(marks.JOINED, f"{action.fingerprint}\n")
    yield
    return Outcome.CHANGED


def _preflight(world: World, step: Step, action: upgrade_actions.KubeadmUpgrade) -> None:
    name = step.host or ""
    host = world.hosts[name]
    if (said := stored(world, 0)["kubernetesVersion"]) != action.version:
        raise failed(step, f"the ConfigMap says {said}")
    if (kubeadm := versions.program(world, name, "kubeadm")) != action.version:
        raise failed(step, f"kubeadm is {kubeadm}")
    planes = world.spec.having(Role.CONTROL_PLANE)
    if away := [node for node in world.nodes if node in planes and not world.node_ready(node)]:
        raise failed(step, f"there are NotReady control-planes in the cluster: {away}")
    missing = [pod for pod in STATIC_PODS if not host.has(f"{at.MANIFESTS}/{pod}.yaml")]
    if missing:
        raise failed(step, f"manifest files not found: {missing}")
    for pod in STATIC_PODS:
        if f"registry.k8s.io/{pod}:{action.version}" not in host.images:
            raise failed(step, f"failed to pull image {pod}")
    running = versions.pod(world, name, API_SERVER)
    new = KubernetesVersion.parse(action.version)
    if running and (why := upgrade_skew(KubernetesVersion.parse(running), new)):
        world.violations.append(f"{step.id}: {why}")


def return_node(world: World, step: Step, action: upgrade_actions.ReturnNode) -> Effects:
    require_api(world, step)

    def missing() -> str:
        if not world.node_ready(action.node):
            return "not Ready"
        version = world.reported.get(action.node, "")
        return "" if version == action.version else f"its kubelet is {version}"

    yield from wait(step, missing)
    node = world.nodes[action.node]
    annotations = node["metadata"].setdefault("annotations", {})
    if CORDONED in annotations:
        del annotations[CORDONED]
        node["spec"].pop("unschedulable", None)
    yield
    return Outcome.CHANGED


def await_rollout(world: World, step: Step, action: upgrade_actions.AwaitRollout) -> Effects:
    require_api(world, step)
    yield
    return Outcome.OK
