"""kubeconfig files: the administrator's, renamed for its cluster, merged into one that exists.

Source of the format: kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import cast

from ruamel.yaml import YAML, YAMLError

from kanae.errors import Refused

Document = dict[str, object]
LISTS = ("clusters", "users", "contexts")


def named(admin: str, cluster: str) -> Document:
    """kubeadm's admin.conf with context and cluster called `cluster`, and its user
    `cluster-admin`, so that several clusters fit into one file.
    """
    document = _load(admin, "admin.conf")
    user = f"{cluster}-admin"

    def only(kind: str, field: str) -> object:
        entries = cast("list[dict[str, object]]", document[kind])
        return entries[0][field]

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [{"name": cluster, "cluster": only("clusters", "cluster")}],
        "users": [{"name": user, "user": only("users", "user")}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }


def merged(existing: str, ours: Mapping[str, object]) -> Document:
    """`existing` with our entries put in by name; everything else in it stays as it is.

    The current context is only set where there is none. Raises Refused when `existing` cannot be
    understood: it is somebody's and not to be overwritten.
    """
    document = _load(existing, "the existing kubeconfig") if existing.strip() else {}
    result: Document = {"apiVersion": "v1", "kind": "Config", **document}
    for kind in LISTS:
        mine = cast("list[dict[str, object]]", ours[kind])
        names = {entry["name"] for entry in mine}
        held = cast("list[dict[str, object]]", result.get(kind) or [])
        result[kind] = [*(entry for entry in held if entry.get("name") not in names), *mine]
    if not result.get("current-context"):
        result["current-context"] = ours["current-context"]
    return result


def without(existing: str, cluster: str) -> Document | None:
    """`existing` less the entries that `named` makes for this cluster; None when none are left.

    Raises Refused when it cannot be understood.
    """
    result = _load(existing, "the existing kubeconfig")
    gone = {"clusters": cluster, "users": f"{cluster}-admin", "contexts": cluster}
    for kind, name in gone.items():
        held = cast("list[dict[str, object]]", result.get(kind) or [])
        result[kind] = [entry for entry in held if entry.get("name") != name]
    if result.get("current-context") == cluster:
        result["current-context"] = ""
    return result if any(result[kind] for kind in LISTS) else None


def to_text(document: Mapping[str, object]) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 1 << 20  # certificates are long words
    stream = StringIO()
    yaml.dump(dict(document), stream)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
    return stream.getvalue()


def _load(text: str, what: str) -> Document:
    try:
        loaded: object = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
    except YAMLError:
        loaded = None
    if not isinstance(loaded, dict):
        raise Refused(
            f"{what} is no kubeconfig (not a YAML mapping)",
            remedy="move it out of the way, or merge by hand what `kanae kubeconfig` prints",
        )
    return cast("Document", loaded)
