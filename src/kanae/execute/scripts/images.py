"""Container images in containerd's k8s.io namespace."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.facts.parse_cluster import PINNED
from kanae.resources.artifact import Image
from kanae.resources.model import quote


def load(archive: str, *, unpack: bool) -> str:
    """Import an archive and remove it. unpack: at once, rather than when it is first needed."""
    return (
        f"ctr -n k8s.io images import --local {'' if unpack else '--no-unpack '}{quote(archive)} "
        f">/dev/null && rm -f {quote(archive)}"
    )


def pin(images: Sequence[Image]) -> str:
    """There may be no registry that could give them again once kubelet has removed them."""
    names = quote(*(image.reference for image in images))
    return (
        f"for image in {names}; do "
        f'ctr -n k8s.io images label "$image" {PINNED} >/dev/null || exit; done'
    )
