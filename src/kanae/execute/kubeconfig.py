"""kubeconfig files: the administrator's, renamed for its cluster, merged into one that exists.

Source of the format: kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from cryptography import x509
from ruamel.yaml import YAMLError

from kanae.errors import Refused
from kanae.plan.actions import LeafCertificate
from kanae.render.yaml import plain_yaml, read_as_written

Document = dict[str, object]
LISTS = ("clusters", "users", "contexts")


def named(admin: str, cluster: str) -> Document:
    """kubeadm's admin.conf with context and cluster called `cluster`, and its user
    `cluster-admin`, so that several clusters fit into one file.
    """
    document = _load(admin, "admin.conf")
    user = f"{cluster}-admin"

    def only(kind: str, field: str) -> object:
        entries = cast("list[dict[str, object]]", document.get(kind) or [{}])
        if field not in entries[0]:
            raise _no_kubeconfig("admin.conf", f"{kind} has no {field}")
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


def embedded(leaf: LeafCertificate, authority: str, certificate: str, key: str) -> str:
    """A kubeconfig as kubeadm writes it, with all three (PEM) in it."""

    def data(text: str) -> str:
        return b64encode(text.encode()).decode()

    who = leaf.common_name
    context = f"{who}@{leaf.cluster}"
    cluster = {"certificate-authority-data": data(authority), "server": leaf.leads}
    user = {"client-certificate-data": data(certificate), "client-key-data": data(key)}
    return plain_yaml(
        {
            "apiVersion": "v1",
            "clusters": [{"cluster": cluster, "name": leaf.cluster}],
            "contexts": [{"context": {"cluster": leaf.cluster, "user": who}, "name": context}],
            "current-context": context,
            "kind": "Config",
            "users": [{"name": who, "user": user}],
        }
    )


def end(document: Mapping[str, object], user: str = "") -> datetime | None:
    """When a user's certificate ends; None where he has none that can be read. user: "" for the
    first."""
    data = _field(document, "users", "user", user, "client-certificate-data")
    try:
        text = b64decode(data, validate=True)
        return x509.load_pem_x509_certificate(text).not_valid_after_utc
    except ValueError:
        return None


def authority(document: Mapping[str, object], cluster: str) -> str:
    """What a kubeconfig trusts of a cluster by this name, in base64; "" where it knows none."""
    return _field(document, "clusters", "cluster", cluster, "certificate-authority-data")


def _field(document: Mapping[str, object], kind: str, what: str, name: str, field: str) -> str:
    """Of the entry of this name, or of the first; "" where there is none."""
    for entry in cast("list[Document]", document.get(kind) or []):
        held = entry.get(what)
        if (not name or entry.get("name") == name) and isinstance(held, dict):
            return str(cast("Document", held).get(field) or "")
    return ""


def read(text: str) -> Document:
    """Raises Refused for what is no kubeconfig."""
    return _load(text, "the existing kubeconfig")


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
    """Somebody's own entries as they were written, ours such that every reader reads the same."""
    return plain_yaml(dict(document))


def _load(text: str, what: str) -> Document:
    try:
        loaded = read_as_written(text)
    except (YAMLError, ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict):
        raise _no_kubeconfig(what, "not a YAML mapping")
    document = cast("Document", loaded)
    for kind in LISTS:
        entries: object = document.get(kind) or cast("list[object]", [])
        listed = cast("list[object]", entries) if isinstance(entries, list) else [None]
        if not all(isinstance(entry, dict) and "name" in entry for entry in listed):
            raise _no_kubeconfig(what, f"{kind} is no list of entries with names")
    return document


def _no_kubeconfig(what: str, why: str) -> Refused:
    return Refused(
        f"{what} is no kubeconfig ({why})",
        remedy="move it out of the way, or merge by hand what `kanae kubeconfig` prints",
    )
