"""Extra proofs with a Deployment: that it can be made while a host is dead, that it moves away."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kanae.drills.cluster.kube import Kube
from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.objects import Json
from kanae.errors import CheckFailed, HostError
from kanae.execute.scripts.programs import KUBECTL
from kanae.spec.models import Role, Spec
from kanae.transport.protocol import Transport, must

NAME = "drill"
_POLL = 0.5
# A pod's tolerations of a node that is gone, the same in every cluster: what API servers of kanae's
# give to pods that say none where the endpoint outlives a balancer. Elsewhere it is 300 s.
TOLERATION_SECONDS = 12
_TAINT = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class Image:
    """What the Deployment runs: something that answers HTTP GET `path` on `port` with 200."""

    reference: str
    port: int
    path: str
    arguments: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


NGINX = Image("docker.io/library/nginx:1.28", 80, "/")


def image_of(known: Mapping[str, object], wanted: str | None = None) -> Image:
    """wanted: as the operator says. known: images on the nodes, by reference; an nginx among them
    first, then CoreDNS, which every cluster has and whose health page will do; else nginx from its
    registry.
    """
    if wanted is not None:
        return Image(wanted, 80, "/")
    for name in sorted(known):
        if name.partition("@")[0].rpartition(":")[0].endswith("/nginx"):
            return Image(name, 80, "/")
    for name in sorted(known):
        if "/coredns:" in name:
            files = (("Corefile", ".:8053 {\n    health 0.0.0.0:8080\n}\n"),)
            return Image(name, 8080, "/health", ("-conf", "/etc/drill/Corefile"), files)
    return NGINX


def manifest(
    namespace: str,
    image: Image,
    *,
    replicas: int = 1,
    prefer: str = "",
    anywhere: bool = False,
    served: bool = False,
) -> Json:
    """A Deployment. prefer: the node it is to start on. anywhere: also on control-plane hosts.
    served: with a Service."""
    tolerations: list[Json] = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS,
        }
        for key in ("not-ready", "unreachable")
    ]
    if anywhere:
        tolerations.append({"key": _TAINT, "operator": "Exists", "effect": "NoSchedule"})
    container: Json = {
        "name": NAME,
        "image": image.reference,
        "imagePullPolicy": "IfNotPresent",
        "args": list(image.arguments),
        "ports": [{"containerPort": image.port}],
        "readinessProbe": {
            "httpGet": {"path": image.path, "port": image.port},
            "periodSeconds": 1,
        },
    }
    pod: Json = {
        "containers": [container],
        "tolerations": tolerations,
        "terminationGracePeriodSeconds": 1,
    }
    if image.files:
        container["volumeMounts"] = [{"name": "files", "mountPath": "/etc/drill"}]
        pod["volumes"] = [{"name": "files", "configMap": {"name": NAME}}]
    if prefer:
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [prefer]}
        preference = {"weight": 100, "preference": {"matchExpressions": [term]}}
        pod["affinity"] = {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}
        }
    labels = {"app": NAME}
    deployment: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    items: list[Json] = [deployment]
    if image.files:
        files = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace},
            "data": dict(image.files),
        }
        items.insert(0, files)
    if served:
        ports = [{"port": image.port, "targetPort": image.port}]
        service: Json = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"selector": labels, "ports": ports},
        }
        items.insert(0, service)
    return {"apiVersion": "v1", "kind": "List", "items": items}


def standing(pods: Sequence[Json]) -> str:
    """How far a Deployment's pods have come, in words: who has not done his part."""
    if not pods:
        return "no pod was made of it: no controller manager leads"
    found: list[str] = []
    for pod in pods:
        node, status = objects.part(pod, "spec").get("nodeName"), objects.part(pod, "status")
        if not node:
            conditions: list[Json] = status.get("conditions") or []
            why = next((c.get("message") for c in conditions if c["type"] == "PodScheduled"), None)
            found.append(f"its pod has no node: {why or 'no scheduler leads'}")
            continue
        containers: list[Json] = status.get("containerStatuses") or []
        waiting = [objects.part(objects.part(each, "state"), "waiting") for each in containers]
        why = next((w.get("message") or w["reason"] for w in waiting if w), "it is not ready")
        found.append(f"its pod on {node} is {status.get('phase')}: {why}")
    return "; ".join(found)


@dataclass(frozen=True, slots=True)
class Shown:
    """ok; seconds: how long it took; detail: what was seen, or why not."""

    ok: bool
    seconds: float
    detail: str


class Deployments:
    """Makes and watches the Deployment of one run."""

    def __init__(
        self,
        spec: Spec,
        kube: Kube,
        transport: Callable[[str], Transport],
        namespace: str,
        image: Image,
        kubeconfigs: Mapping[str, str],
    ) -> None:
        """kubeconfigs: client host -> the path to which kanae merged the cluster's context."""
        self._spec = spec
        self._kube = kube
        self._transport = transport
        self._namespace = namespace
        self._image = image
        self._kubeconfigs = kubeconfigs

    async def create(
        self,
        dead: tuple[str, ...],
        *,
        prefer: str = "",
        replicas: int = 1,
        served: bool = False,
    ) -> str:
        """kubectl apply, from a client host if there is one; where it ran. May be called again with
        other replicas. Raises HostError, and CheckFailed when there is no host to make it from."""
        masters = [host for host in self._spec.having(Role.CONTROL_PLANE) if host not in dead]
        host = next(iter((*self._kubeconfigs, *masters)), None)
        if host is None:
            raise CheckFailed("no host is left from which a Deployment could be made")
        kubectl = KUBECTL
        if host in self._kubeconfigs:
            # The context that kanae merged there; it names the endpoint.
            config = shlex.quote(self._kubeconfigs[host])
            kubectl = f"kubectl --kubeconfig {config} --context {self._spec.name}"
        workers = [host for host in self._spec.having(Role.WORKER) if host not in dead]
        anywhere = bool(prefer) or not workers
        document = manifest(
            self._namespace,
            self._image,
            replicas=replicas,
            prefer=prefer,
            anywhere=anywhere,
            served=served,
        )
        await must(
            self._transport(host),
            f"exec {kubectl} apply --request-timeout=20s -f -\n",
            stdin=json.dumps(document).encode(),
            command="kubectl apply -f - (Deployment)",
            timeout=60,
        )
        return host

    async def _pods(self) -> list[Json]:
        path = f"/api/v1/namespaces/{self._namespace}/pods?labelSelector=app%3D{NAME}"
        return objects.items(await self._kube.get(path))

    async def _standing(self) -> str:
        try:
            return standing(await self._pods())
        except RequestFailed as error:
            return f"its pods cannot be listed: {error.detail}"

    async def _available(self, avoid: tuple[str, ...]) -> Json | None:
        """A ready pod that is not on the hosts to avoid."""
        for pod in await self._pods():
            node = str(objects.part(pod, "spec").get("nodeName", ""))
            status: dict[str, Any] = objects.part(pod, "status")
            ready = any(
                c.get("type") == "Ready" and c.get("status") == "True"
                for c in status.get("conditions") or ()
            )
            if node and node not in avoid and ready and status.get("podIP"):
                return pod
        return None

    async def wait(self, avoid: tuple[str, ...], within: float) -> Json | None:
        """A ready pod that is not on the hosts to avoid; None when there is none in time."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            try:
                pod = await self._available(avoid)
            except RequestFailed:
                pod = None
            if pod is not None:
                return pod
            await asyncio.sleep(_POLL)
        return None

    async def show(self, dead: tuple[str, ...], within: float = 180.0) -> Shown:
        """Row 13: make it while `dead` are away; it becomes available and its pod answers a
        request that comes from another node.
        """
        begun = time.monotonic()
        try:
            client = await self.create(dead)
        except (HostError, CheckFailed) as error:
            return Shown(False, time.monotonic() - begun, error.message)
        pod = await self.wait(dead, within)
        seconds = time.monotonic() - begun
        if pod is None:
            text = f"made from {client}, not available in {within:g} s: {await self._standing()}"
            return Shown(False, seconds, text)
        node = str(objects.part(pod, "spec").get("nodeName"))
        name = objects.name_and_revision(pod)[0]
        # An API server passes the request to the pod over the pod network of its own host.
        others = [
            host
            for host in self._spec.having(Role.CONTROL_PLANE)
            if host not in dead and host != node
        ]
        path = (
            f"/api/v1/namespaces/{self._namespace}/pods/{name}:{self._image.port}"
            f"/proxy{self._image.path}"
        )
        if not others:
            return Shown(False, seconds, f"the pod is on {node}; no other node can ask it")
        try:
            await self._kube.ask("GET", path, route=others[0], timeout=10.0)
        except RequestFailed as error:
            detail = f"the pod on {node} does not answer {others[0]}: {error.detail}"
            return Shown(False, time.monotonic() - begun, detail)
        detail = (
            f"{self._image.reference} made from {client}, available on {node} after"
            f" {seconds:.1f} s, answers {others[0]}"
        )
        return Shown(True, time.monotonic() - begun, detail)
