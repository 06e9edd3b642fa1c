"""What an edited spec asks for that is not built yet, or that would lose something: refused whole.

Each in one sentence, before anything is planned: never half-done.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import cast

from kanae.errors import Refused
from kanae.facts.nodes import readiness
from kanae.layout import marks
from kanae.plan import (
    answering,
    balancer,
    departures,
    endpoint_edits,
    etcd_edits,
    in_cluster,
    upgrade_refusals,
)
from kanae.plan.attempt import begun, undecided
from kanae.plan.clients import kubeconfig
from kanae.plan.etcd import coming, member_folder, peer_url, returned
from kanae.plan.membership import require_ours
from kanae.plan.view import View
from kanae.render import system
from kanae.render.kubeadm import CONFIG_MAPS, cluster_configuration, held
from kanae.spec.models import EtcdTopology, PodNetworkProvider, Role


def refuse(view: View) -> None:
    """Raises Refused with the first reason found."""
    require_ours(view.spec, view.facts, view.known.identity)
    begun = [host for host in view.reachable if view.mark(host, marks.RESETTING) is not None]
    if begun:
        raise Refused(
            f"a reset of {view.spec.name} was interrupted ({', '.join(begun)}): half a cluster "
            "cannot be built upon",
            remedy=_to_its_end(view, begun),
        )
    _restoring(view)
    departures.refuse(view)
    _distributions(view)
    _homes(view)
    etcd_edits.occupied(view)
    if not view.joined_control_planes:
        _unknown(view)
        return
    _changed(view)
    _pod_network(view)
    etcd_edits.refuse(view)
    upgrade_refusals.refuse(view)
    _nodes(view)
    _etcd(view)
    _networks(view)
    endpoint_edits.refuse(view, _cluster_configuration(view))
    answering.refuse(view)
    balancer.refuse(view)
    in_cluster.refuse(view)


def _restoring(view: View) -> None:
    hosts = undecided(view)
    if not hosts or view.site.backup is not None:
        return
    attempt = begun(view)
    taken = f" with the backup of {attempt.taken}" if attempt is not None else ""
    raise Refused(
        f"a restore of {view.spec.name}{taken} was begun and has not ended ({', '.join(hosts)})",
        remedy="go on with it: kanae restore SPEC --from FILE, with the same file",
    )


def _to_its_end(view: View, begun: Sequence[str]) -> str:
    """A host that was leaving bears the same mark as all do in a reset."""
    again = "run kanae reset again, to its end"
    if not set(view.joined_control_planes) - set(begun):
        return again
    return f"if only {' and '.join(begun)} was to leave: {_replace(begun)}; else {again}"


def _changed(view: View) -> None:
    """Hosts that are to be something else than they are."""
    for name, host in view.spec.hosts.items():
        before = view.known.hosts.get(name)
        if before is None:
            continue
        if before.address != str(host.address):
            raise Refused(
                f"the address of {name} cannot be changed ({before.address} -> {host.address}): "
                "its certificates and its etcd member are bound to it",
                remedy=f"set address: {before.address}, or have it replaced: kanae replace {name} "
                f"SPEC --with {host.address}",
            )
        old, new = {Role(role) for role in before.roles}, set(host.roles)
        # Balancers are taken down by a plan. A control-plane host is a node without being a worker.
        kept = {Role.LOAD_BALANCER, *([Role.WORKER] if Role.CONTROL_PLANE in new else [])}
        if lost := old - new - kept:
            raise Refused(
                f"{name} is {_names(lost)} in the cluster and not in the spec: taking a role away "
                "is not built yet",
                remedy=f"set roles: [{', '.join(before.roles)}]",
            )
        if Role.CONTROL_PLANE in new - old and Role.WORKER in old:
            raise Refused(
                f"{name} has joined as a worker: making a control-plane host of it is not built "
                "yet",
                remedy=f"set roles: [{', '.join(before.roles)}]",
            )


def _pod_network(view: View) -> None:
    """Objects, addresses and interfaces of the old one would stay beside the new one's."""
    wanted = view.spec.networks.pod_network.provider
    recorded = {
        mark.strip()
        for host in view.joined_control_planes
        if (mark := view.mark(host, marks.POD_NETWORK)) is not None
    }
    if not (others := sorted(recorded - {wanted.value})):
        return
    # Where there is none yet, one may come: no node is Ready before.
    ready = view.api is None or any(readiness(node).ready for node in view.api.nodes.values())
    if others == [PodNetworkProvider.NONE.value] and not ready:
        return
    raise Refused(
        f"the pod network of a living cluster cannot be changed ({', '.join(others)} -> "
        f"{wanted.value}): this is not built yet",
        remedy=f"set networks.podNetwork.provider: {others[0]}",
    )


def _names(roles: set[Role]) -> str:
    return " and ".join(sorted(role.value for role in roles))


def _distributions(view: View) -> None:
    """Nothing is guessed of a host whose distribution is of no known family."""
    for host in view.reachable:
        base = view.host(host).base
        if lacking := system.unmet(view.spec, host, base):
            what, remedy = system.unmet_words(base, lacking)
            raise Refused(f"{host} {what}", remedy=remedy)


def _homes(view: View) -> None:
    """A client's kubeconfig is put into no folder that is guessed, or that could bite."""
    for host in view.spec.having(Role.CLIENT):
        if host in view.reachable and kubeconfig(view.host(host)) is None:
            login = view.base(host).login
            raise Refused(
                f"{host} gets no kubeconfig: the home there of {login.account or 'the account'}, "
                f"whom kanae logs in as, is {login.home or 'not known'}, which is no folder or has "
                "other characters than letters, digits and /._@+-",
                remedy="set ssh.user to an account with another home, or put that home right",
            )


def _unknown(view: View) -> None:
    """Without a host that has joined, only having asked all of them tells that there is none."""
    away = [
        host
        for host in dict.fromkeys((*view.control_planes, *view.spec.etcd_hosts))
        if host not in view.reachable
    ]
    if away:
        raise Refused(
            f"whether there is a cluster cannot be told: {', '.join(away)} cannot be reached, and "
            "no control-plane host that can be reached has joined",
            remedy="bring the hosts up, or make them reachable, and plan again",
        )


def _cluster_configuration(view: View) -> Mapping[str, object]:
    """kubeadm's, as the cluster has it; else what its hosts have kept of it. Empty when neither
    tells, as in a cluster that was built before hosts kept it."""
    if view.api is not None:
        key, field, _ = CONFIG_MAPS[0]
        return held(view.api.objects.get(key), field)
    kept = (view.mark(host, marks.FIXED) for host in view.joined_control_planes)
    for text in kept:
        # A disk may have lost a part of it.
        with contextlib.suppress(ValueError, RecursionError):
            config: object = json.loads(text or "")
            if isinstance(config, dict):
                return cast("dict[str, object]", config)
    return {}


def _nodes(view: View) -> None:
    api = view.api
    if api is None:
        return
    surplus = sorted(set(api.nodes) - set(view.former.spec.nodes))
    if surplus:
        raise Refused(
            f"the cluster has nodes that the spec lacks ({', '.join(surplus)}): "
            "kanae has not made them, so it does not remove them",
            remedy="put them into the spec, or drain and delete them by hand with kubectl",
        )


def _etcd(view: View) -> None:
    spec = view.former.spec
    wanted = {peer_url(spec, host) for host in spec.etcd_hosts}
    if unknown := sorted(set(view.members) - wanted):
        raise Refused(
            f"etcd has members that the spec lacks ({', '.join(unknown)}): kanae has not made "
            "them, so it does not remove them",
            remedy="put the host into the spec, or remove the member by hand with etcdctl",
        )
    _removed(view)
    if (later := coming(view)) and not set(view.spec.etcd_hosts) - set(later):
        raise Refused(
            f"no member of etcd on a host of the spec has started and votes ({', '.join(later)})",
            remedy="`etcdctl member list` on one of them shows who is there; bring one up first",
        )
    if spec.etcd_topology is not EtcdTopology.EXTERNAL:
        return
    if not view.members:
        _new_members(view)
    empty = [
        host
        for host in view.spec.etcd_hosts
        if host in view.reachable
        and host not in coming(view)
        and view.host(host).files.get(member_folder(view.spec)) is None
    ]
    if empty:
        raise Refused(
            f"{', '.join(empty)} lost the data of its etcd member, and starting it empty "
            "under the same identity could make etcd forget what it acknowledged",
            remedy=f"{_replace(empty)}, which takes the member out of etcd and adds it anew",
        )


def _removed(view: View) -> None:
    if back := returned(view):
        raise Refused(
            f"{', '.join(back)} has the data of a member that has been taken out of etcd: it has "
            "left the cluster and came back",
            remedy=f"{_replace(back)}, which wipes it and lets it join anew",
        )


def _replace(hosts: Sequence[str]) -> str:
    """The command by which they are replaced together."""
    return " ".join([f"kanae replace {hosts[0]} SPEC", *(f"--also {host}" for host in hosts[1:])])


# Fields of ClusterConfiguration that stay: their names for people, and where the spec has them.
_FIXED = (
    (("networking", "podSubnet"), "pod network", "networks.pods"),
    (("networking", "serviceSubnet"), "service network", "networks.services"),
    (("networking", "dnsDomain"), "DNS domain", "networks.dnsDomain"),
    (("clusterName",), "name", "name"),
)


def _at(document: Mapping[str, object], path: tuple[str, ...]) -> object:
    first, *rest = path
    found = document.get(first)
    if not rest or not isinstance(found, Mapping):
        return None if rest else found
    return _at(cast("Mapping[str, object]", found), tuple(rest))


def _new_members(view: View) -> None:
    """By the list of hosts, whether or not a member answers."""
    known = view.known.hosts
    new = [
        host
        for host in view.spec.etcd_hosts
        if known and (host not in known or Role.ETCD.value not in known[host].roles)
    ]
    if new:
        raise Refused(
            f"{', '.join(new)} cannot become a member of etcd while none of its members answers",
            remedy="bring etcd up first, or take the etcd role off the new hosts",
        )


def _networks(view: View) -> None:
    live = _cluster_configuration(view)
    if not live:
        return
    wanted = cluster_configuration(view.spec)
    for path, what, field in _FIXED:
        old, new = _at(live, path), _at(wanted, path)
        if old != new:
            raise Refused(
                f"the {what} of a living cluster cannot be changed "
                f"({old or 'none'} -> {new or 'none'}): this is not built yet",
                remedy=f"set {field} to what it was: {old}" if old else f"take {field} away",
            )
