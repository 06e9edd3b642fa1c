"""What on a host is kanae's in folders that other programs use too, and what was there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kanae.layout import paths as at
from kanae.layout import units
from kanae.resources.artifact import Binary
from kanae.resources.file import File
from kanae.resources.found import Found
from kanae.resources.model import Resource
from kanae.spec.models import PodNetworkProvider

# Emptied by a reset but for what was in them before.
FOLDERS: Final = (
    at.KUBERNETES,
    at.KUBELET_STATE,
    at.CONTAINERD_STATE,
    at.CONTAINERD_RUN,
    at.CONTAINERD_REGISTRIES,
    at.CNI_CONF,
    at.CNI_BIN,
    at.CNI_STATE,
    "/var/log/pods",
    "/var/log/containers",
)

# What pod networks leave, as patterns of a shell. libcni keeps the results of its plugins by the
# network's name (its pkg/types and libcni/api.go), host-local its leases in a folder of that name.
# "cni-loopback" is the network that containerd's CRI plugin gives every pod beside its own.
_LOOPBACK: Final = f"{at.CNI_STATE}/results/cni-loopback-*"
_LEFT_BY: Final[Mapping[PodNetworkProvider, tuple[str, ...]]] = {
    PodNetworkProvider.FLANNEL: (
        f"{at.CNI_CONF}/10-flannel.conflist",
        f"{at.CNI_STATE}/networks/cbr0",
        f"{at.CNI_STATE}/results/cbr0-*",
        _LOOPBACK,
        f"{at.CNI_STATE}/flannel",
    ),
    PodNetworkProvider.WEAVE: (
        f"{at.CNI_CONF}/10-weave.conflist",
        f"{at.CNI_STATE}/results/weave-*",
        _LOOPBACK,
        "/var/lib/weave",
    ),
}
# Of a pod network that others bring nobody knows what it leaves: all that has come since.
_LEFT_BY_OTHERS: Final = (f"{at.CNI_CONF}/*", f"{at.CNI_STATE}/*")
_PLUGINS_OF_OTHERS: Final = (f"{at.CNI_BIN}/*",)
_PLUGINS_BY: Final[Mapping[PodNetworkProvider, tuple[str, ...]]] = {
    PodNetworkProvider.FLANNEL: (),
    PodNetworkProvider.WEAVE: (f"{at.CNI_BIN}/weave-*",),
}


def left_by(provider: PodNetworkProvider, *, plugins: bool) -> tuple[str, ...]:
    """Patterns of what a pod network leaves on its nodes. plugins: its programs too."""
    left = _LEFT_BY.get(provider, _LEFT_BY_OTHERS)
    return left + _PLUGINS_BY.get(provider, _PLUGINS_OF_OTHERS) if plugins else left


def found(wanted: Sequence[Resource]) -> Found:
    """The record of a host that is to have these resources, programs among them."""
    programs = [each.path for each in wanted if isinstance(each, Binary)]
    files = [each.path for each in wanted if isinstance(each, File)]
    return Found(
        (*programs, *files), FOLDERS, (units.CONTAINERD, units.KUBELET), program=programs[0]
    )
