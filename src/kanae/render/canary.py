"""The object by which a backup proves that it holds what was written last."""

from __future__ import annotations

from typing import Final

from kanae.render.documents import Document

_NAMESPACE: Final = "kube-system"
_NAME: Final = "kanae-backup-canary"
# Where etcd has it: --etcd-prefix is kubeadm's, which sets none.
CANARY_KEY: Final = f"/registry/configmaps/{_NAMESPACE}/{_NAME}"


def canary(word: str) -> Document:
    """word: of letters and digits, another one each time."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _NAME, "namespace": _NAMESPACE},
        "data": {"word": word},
    }
