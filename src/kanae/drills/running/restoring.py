"""A restore in a drill: what comes before the loss, the restore, and what is proven afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from kanae.drills.cluster.kube import Kube
from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.objects import Json
from kanae.drills.records import BACKUP, Change, Proof, Record, Restored
from kanae.drills.running import ghosts, undisturbed
from kanae.drills.running.proofs import Deployments
from kanae.drills.running.remedy import Remedy
from kanae.drills.running.setting import Setting
from kanae.drills.running.undisturbed import Container
from kanae.errors import CheckFailed, HostError

UNDISTURBED, NO_GHOSTS = "pods-undisturbed", "no-ghost-endpoints"
_SERVED_SECONDS = 180.0
_LIST_SECONDS = 30.0  # of a large cluster
_POLL = 0.5


class Restoring:
    """Of one run. now: in the history's time. write: into the history."""

    def __init__(
        self,
        setting: Setting,
        remedy: Remedy,
        kube: Kube,
        deployments: Deployments,
        now: Callable[[], float],
        write: Callable[[Record], None],
    ) -> None:
        self._set = setting
        self._remedy = remedy
        self._kube = kube
        self._deployments = deployments
        self._now = now
        self._write = write
        self._containers: tuple[Container, ...] = ()
        self._processes: Mapping[str, tuple[int, int]] = {}

    async def secure(self) -> None:
        """While the workload runs: a Service with one pod, the backup, and then a second pod, of
        which the backup knows nothing and every kube-proxy does. Raises KanaeError when the cluster
        could not be restored afterwards.
        """
        await self._deployments.create((), served=True)
        await self._served(1)
        await self._remember()
        begun = self._now()
        self._set.say(f"{begun:7.1f} s  backup")
        made = await self._remedy.secure()
        self._write(Change(self._now(), BACKUP, round(self._now() - begun, 6), made))
        await self._deployments.create((), replicas=2, served=True)
        await ghosts.lead_to(self._set.tools, await self._served(2))

    async def restore(self) -> None:
        begun = self._now()
        self._set.say(f"{begun:7.1f} s  restore")
        to = await self._remedy.restore()
        end = self._now()
        seconds = round(end - begun, 6)
        self._write(Restored(end, to.revision, to.reached, seconds, to.source))
        self._set.say(f"{end:7.1f} s  restored from {to.source} in {seconds:.1f} s")

    async def prove(self) -> None:
        for name, look in ((UNDISTURBED, self._disturbed), (NO_GHOSTS, self._ghosts)):
            begun = self._now()
            ok, detail = await look()
            proof = Proof(self._now(), name, ok, round(self._now() - begun, 6), detail)
            self._write(proof)
            self._set.say(f"{self._now():7.1f} s  {name}: {detail}")

    async def _served(self, pods: int) -> frozenset[str]:
        """The Service's endpoints once there are so many, all ready. Raises CheckFailed."""
        namespace = f"/apis/discovery.k8s.io/v1/namespaces/{self._set.namespace}/endpointslices"
        end = time.monotonic() + _SERVED_SECONDS
        seen = ""
        while time.monotonic() < end:
            try:
                slices = objects.items(await self._kube.get(namespace))
            except RequestFailed as error:
                seen = error.detail
            else:
                found = ghosts.endpoints(ready(slices))
                if len(found) == pods:
                    return found
                seen = ", ".join(sorted(found)) or "none"
            await asyncio.sleep(_POLL)
        raise CheckFailed(
            f"the drill's Service has not {pods} ready pods after {_SERVED_SECONDS:g} s: {seen}",
            remedy="name an image that the nodes can have: --image",
        )

    async def _remember(self) -> None:
        """Which processes have to outlive the restore: on all nodes that do."""
        gone = self._set.hosts if self._set.scenario.kind == "blank" else ()
        nodes = [node for node in self._set.tools.spec.nodes if node not in gone]
        try:
            pods = objects.items(await self._kube.get("/api/v1/pods", timeout=_LIST_SECONDS))
        except RequestFailed as error:
            raise CheckFailed(f"the pods cannot be listed: {error.detail}") from None
        self._processes = await undisturbed.running(self._set.tools, nodes)
        found = undisturbed.lasting(pods, nodes)
        self._containers = tuple(each for each in found if each.id in self._processes)

    async def _disturbed(self) -> tuple[bool, str]:
        nodes = sorted({each.node for each in self._containers})
        if not nodes:
            return False, "no pods ran that could have been disturbed"
        try:
            now = await undisturbed.running(self._set.tools, nodes)
        except HostError as error:
            return False, error.message
        gone = undisturbed.disturbed(self._containers, self._processes, now)
        if gone:
            return False, f"ended or started anew: {', '.join(map(str, gone))}"
        return True, f"{len(self._containers)} containers on {', '.join(nodes)} have run on"

    async def _ghosts(self) -> tuple[bool, str]:
        left, known = await ghosts.ghosts(self._set.tools, self._kube)
        nodes = len(self._set.tools.spec.nodes)
        return not left, left or f"{nodes} nodes lead to none but the {known} endpoints of the API"


def ready(slices: list[Json]) -> list[Json]:
    """EndpointSlices with their ready endpoints alone."""
    return [
        each
        | {
            "endpoints": [
                endpoint
                for endpoint in each.get("endpoints") or ()
                if objects.part(endpoint, "conditions").get("ready")
            ]
        }
        for each in slices
    ]
