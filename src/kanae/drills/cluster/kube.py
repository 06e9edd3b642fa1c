"""Questions to API servers by the drills' own client, and what their answers mean."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kanae.drills.probing import objects
from kanae.drills.probing.client import (
    Credentials,
    HttpRequest,
    RequestFailed,
    Response,
    Route,
    StatusFailed,
    tls_context,
)
from kanae.drills.probing.objects import Json
from kanae.drills.probing.pipelining import exchange
from kanae.drills.records import ENDPOINT
from kanae.layout import ports
from kanae.spec.models import Role, Spec

_SECONDS = 5.0


def routes(spec: Spec) -> tuple[Route, ...]:
    """The endpoint, then every API server by its host's name."""
    name = spec.endpoint_host
    endpoint = Route(ENDPOINT, str(spec.endpoint_address), spec.endpoint.port, name)
    masters = spec.having(Role.CONTROL_PLANE)
    direct = [
        Route(host, str(spec.hosts[host].address), ports.API_SERVER, str(spec.hosts[host].address))
        for host in masters
    ]
    return (endpoint, *direct)


@dataclass(frozen=True, slots=True)
class Kube:
    """All API servers of a cluster. Every method raises RequestFailed; seconds as timeouts."""

    routes: Mapping[str, Route]
    context: ssl.SSLContext

    @classmethod
    def of(cls, ways: Iterable[Route], credentials: Credentials) -> Kube:
        return cls({route.name: route for route in ways}, tls_context(credentials))

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        route: str = ENDPOINT,
        wanted: frozenset[int] = frozenset({200}),
        timeout: float = _SECONDS,
    ) -> Response:
        way = self.routes[route]
        data = b"" if body is None else json.dumps(body).encode()
        request = HttpRequest(method, path, objects.host_header(way), data)
        response = await exchange(way, self.context, request, deadline=timeout)
        if response.status not in wanted:
            raise StatusFailed(response.status, response.body.decode(errors="replace"))
        return response

    async def get(self, path: str, *, route: str = ENDPOINT, timeout: float = _SECONDS) -> Json:
        response = await self.ask("GET", path, route=route, timeout=timeout)
        try:
            return objects.decode(response.body)
        except ValueError as error:
            raise RequestFailed("malformed", f"{path}: {error}") from None

    async def ready(self, route: str) -> bool:
        try:
            await self.ask("GET", "/readyz", route=route, timeout=3.0)
        except RequestFailed:
            return False
        return True

    async def nodes(self) -> dict[str, Json]:
        items = objects.items(await self.get("/api/v1/nodes"))
        return {objects.name_and_revision(item)[0]: item for item in items}

    async def heartbeats(self, *, timeout: float = _SECONDS) -> dict[str, str]:
        """node -> when its kubelet last renewed its Lease, as the API server writes it."""
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        found: dict[str, str] = {}
        for item in objects.items(await self.get(path, timeout=timeout)):
            spec: dict[str, Any] = objects.part(item, "spec")
            found[objects.name_and_revision(item)[0]] = str(spec.get("renewTime", ""))
        return found
