"""Which processes of a host are the cluster's, by their cgroups: a name may be anybody's.

Paths in /proc/PID/cgroup are those of cgroups(7): a unit of systemd's has its name in it, all pods
are below kubepods. A static pod's part of it is `pod` and 32 hexadecimal digits (its uid is a
digest of its manifest, k8s.io/kubernetes pkg/kubelet/config/common.go), where other pods have a
UUID with dashes or underscores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kanae.layout import units
from kanae.spec.models import Spec

PODS: Final = "*/kubepods*"
_STATIC_POD: Final = "*/kubepods*pod" + "[0-9a-f]" * 32 + "[./]*"


def _unit(name: str) -> str:
    return f"*/{name}*"


# By name: the patterns of sh, one of which the content of its cgroup file has to match.
CGROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "kube-apiserver": (_STATIC_POD,),
    "etcd": (_STATIC_POD, _unit(units.ETCD)),
    "kubelet": (_unit(units.KUBELET),),
    "containerd": (_unit(units.CONTAINERD),),
}


def serving(spec: Spec) -> tuple[str, ...]:
    """Of all that a host does for the cluster."""
    names = (
        units.CONTAINERD,
        units.KUBELET,
        units.ETCD,
        units.ETCD_BALANCER,
        units.balancer(spec.name),
        units.watch(spec.name),
        units.keepalived(spec.name),
        units.tickle(spec.name),
    )
    return (PODS, *map(_unit, names))


def each(cgroups: Iterable[str], command: str, *, comm: str = "") -> str:
    """A script that runs `command` for each process in these cgroups, where "$pid" is its id and
    "$start" when it began (field 22 of its stat, proc(5)). comm: its exact name, "" for any.
    """
    named = f"read -r comm <$d/comm && [ \"$comm\" = '{comm}' ] || continue\n" if comm else ""
    # The 20th field after the closing parenthesis of the name; with it a reused pid is told apart.
    return f"""for d in /proc/[0-9]*; do {{
{named}case $(cat $d/cgroup) in
{"|".join(cgroups)}) ;;
*) continue ;;
esac
start=$(sed 's/.*) //' $d/stat | cut -d' ' -f20)
[ -n "$start" ] || continue
pid=${{d##*/}}
{command}
}} 2>/dev/null; done
"""
