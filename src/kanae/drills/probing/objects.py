"""The Kubernetes objects that a workload makes, and the requests for them. Pure."""

from __future__ import annotations

import json
from typing import Any, cast

from kanae.drills.probing.client import HttpRequest, Response, Route
from kanae.drills.records import BEAT

TARGET = "target"
FENCE = "fence"
# On what an idle watch hears of: beats, and the fence at the end.
_RARE = {"drill-pace": "rare"}
_SELECT_RARE = "&labelSelector=drill-pace%3Drare"
# Small pages, so that reading one does not hold up the prober for long.
PAGE = 500


def host_header(route: Route) -> str:
    return f"{route.server_name}:{route.port}"


def configmap(name: str) -> bytes:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": _RARE} if _is_rare(name) else {"name": name},
            "data": {"by": "drill"},
        }
    ).encode()


def _is_rare(name: str) -> bool:
    return name == FENCE or name.startswith(BEAT)


def create_namespace(route: Route, name: str) -> HttpRequest:
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kanae-drill"}},
    }
    return HttpRequest("POST", "/api/v1/namespaces", host_header(route), json.dumps(body).encode())


def delete_namespace(route: Route, name: str) -> HttpRequest:
    return HttpRequest("DELETE", f"/api/v1/namespaces/{name}", host_header(route))


def create(route: Route, namespace: str, name: str) -> HttpRequest:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    return HttpRequest("POST", path, host_header(route), configmap(name))


def read_target(route: Route, namespace: str) -> HttpRequest:
    path = f"/api/v1/namespaces/{namespace}/configmaps/{TARGET}"
    return HttpRequest("GET", path, host_header(route))


def list_page(route: Route, namespace: str, token: str = "") -> HttpRequest:
    # Without resourceVersion: the newest state, agreed on by a quorum of etcd.
    path = f"/api/v1/namespaces/{namespace}/configmaps?limit={PAGE}"
    if token:
        path += f"&continue={token}"
    return HttpRequest("GET", path, host_header(route))


def watch(route: Route, namespace: str, revision: int, *, idle: bool = False) -> HttpRequest:
    """idle: only of what is rarely written."""
    path = (
        f"/api/v1/namespaces/{namespace}/configmaps?watch=1&allowWatchBookmarks=true"
        f"&resourceVersion={revision}&timeoutSeconds=3000"
        f"{_SELECT_RARE if idle else ''}"
    )
    return HttpRequest("GET", path, host_header(route))


Json = dict[str, Any]


def decode(body: bytes) -> Json:
    """A JSON object. Raises ValueError when it is something else."""
    value: Any = json.loads(body)
    if not isinstance(value, dict):
        message = "not a JSON object"
        raise ValueError(message)  # noqa: TRY004
    return cast("Json", value)


def part(thing: Json, name: str) -> Json:
    """A field that is an object itself; empty when it is missing or null."""
    return cast("Json", thing.get(name) or {})


def items(thing: Json) -> list[Json]:
    """The items of a list; a Go server writes null for none."""
    return cast("list[Json]", thing.get("items") or [])


def name_and_revision(thing: Json) -> tuple[str, int]:
    """metadata.name and resourceVersion of an object or list. Raises ValueError."""
    metadata = part(thing, "metadata")
    return str(metadata.get("name", "")), int(metadata.get("resourceVersion") or 0)


def revision_of(response: Response) -> int:
    try:
        return name_and_revision(decode(response.body))[1]
    except ValueError:
        return 0
