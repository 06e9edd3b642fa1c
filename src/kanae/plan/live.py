"""Objects as the API server has them, compared with what is wanted of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ruamel.yaml import YAML, YAMLError

from kanae.facts.model import ObjectKey

# kubeadm's own records of its configuration: where, under which key, of which kind.
CONFIG_MAPS = (
    (
        ObjectKey("configmaps", "kube-system", "kubeadm-config"),
        "ClusterConfiguration",
        "ClusterConfiguration",
    ),
    (
        ObjectKey("configmaps", "kube-system", "kubelet-config"),
        "kubelet",
        "KubeletConfiguration",
    ),
)


def key_of(document: Mapping[str, object]) -> ObjectKey:
    """The key under which the API server would have this object.

    The plural is guessed as Kubernetes' own meta.UnsafeGuessKindToResource does.
    """
    metadata = cast("Mapping[str, str]", document["metadata"])
    group, slash, _ = str(document["apiVersion"]).partition("/")
    plural = _plural(str(document["kind"]))
    return ObjectKey(
        f"{plural}.{group}" if slash else plural, metadata.get("namespace", ""), metadata["name"]
    )


def _plural(kind: str) -> str:
    single = kind.lower()
    if single == "endpoints":
        return single
    if single.endswith("s"):
        return single + "es"
    return single[:-1] + "ies" if single.endswith("y") else single + "s"


def covers(live: object, wanted: object) -> bool:
    """Whether everything that is wanted is there. What the API server adds does not matter.

    Lists must have the same length; their items are compared one by one, in order. An empty
    wanted mapping or list is covered by nothing at all, since the API server drops such fields.
    """
    if isinstance(wanted, Mapping):
        want = cast("Mapping[str, object]", wanted)
        if not want and live is None:
            return True
        if not isinstance(live, Mapping):
            return False
        have = cast("Mapping[str, object]", live)
        return all(covers(have.get(key), value) for key, value in want.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        items = cast("Sequence[object]", wanted)
        if not items and live is None:
            return True
        if not isinstance(live, Sequence) or isinstance(live, str):
            return False
        others = cast("Sequence[object]", live)
        return len(others) == len(items) and all(map(covers, others, items))
    return live == wanted or (wanted is None and live is None)


def held(live: Mapping[str, object] | None, field: str) -> Mapping[str, object]:
    """The document that a ConfigMap holds as YAML under `field`; empty when there is none."""
    if live is None:
        return {}
    data = cast("Mapping[str, str]", live.get("data") or {})
    try:
        loaded: object = YAML(typ="safe", pure=True).load(data.get(field, ""))  # pyright: ignore[reportUnknownMemberType]  # its stream is untyped
    except YAMLError:
        return {}
    return cast("Mapping[str, object]", loaded) if isinstance(loaded, Mapping) else {}
