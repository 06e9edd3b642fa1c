"""Name servers, as pods that take them from their node see them. CoreDNS is one of these pods."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from kanae.facts.model import HostFacts
from kanae.facts.parse_base import name_servers
from kanae.layout import paths as at
from kanae.layout import units
from kanae.spec.models import Spec
from kanae.verify.model import Finding, Subject, error

# kubelet hands on no more of a list (pkg/apis/core/validation MaxDNSNameservers), as the C library.
_SERVERS = 3
_FIELD = "resolvConf"


def resolvers(subject: Subject) -> Iterator[Finding]:
    """CoreDNS asks a server of the list at random. One that is a loopback address is CoreDNS itself
    there: its `loop` plugin notices and ends it, again and again."""
    for host, facts in subject.nodes():
        seen = _seen_by_pods(subject.spec, host, facts)
        if seen is None:
            continue
        path, servers = seen
        loops = [server for server in servers[:_SERVERS] if _itself(server)]
        if not servers:
            evidence = f"{path or 'the empty resolvConf of the spec'} names no server"
            remedy = "CoreDNS does not start without one: add a nameserver line"
            yield error("resolvers", host, evidence, remedy)
        elif loops:
            named = "only " if len(loops) == len(servers) else ""
            yield error(
                "resolvers",
                host,
                f"{path} names {named}{', '.join(loops)}, which inside a pod is the pod itself: "
                "CoreDNS asks itself and ends",
                f"name only servers there that others can reach, or set kubelet.{_FIELD} in the "
                "spec to a file that does",
            )


def _seen_by_pods(spec: Spec, host: str, facts: HostFacts) -> tuple[str, tuple[str, ...]] | None:
    """Which file kubelet reads, and the servers in it; None where a link hides the text.

    Where the spec names none, kubeadm takes systemd-resolved's own list when that service is active
    (cmd/kubeadm/app/componentconfigs/kubelet.go, Mutate), else /etc/resolv.conf.
    """
    known = {
        at.RESOLV_CONF: facts.base.resolvers,
        at.RESOLVED_CONF: facts.base.upstream_resolvers,
    }
    path = resolv_conf(spec, host)
    if path is None:
        resolved = facts.units.get(units.RESOLVED)
        active = resolved is not None and resolved.active == "active"
        path = at.RESOLVED_CONF if active else at.RESOLV_CONF
    if path in known:
        return path, known[path]
    fact = facts.files.get(path)
    if fact is not None and fact.kind == "link":
        return None
    return path, name_servers(fact.text or "") if fact is not None else ()


def resolv_conf(spec: Spec, host: str) -> str | None:
    """The file that the spec sets for kubelet, "" for none; None when it sets nothing."""
    said = spec.kubelet_of(host).get(_FIELD)
    return said if isinstance(said, str) else None


def _itself(server: str) -> bool:
    try:
        address = ip_address(server.partition("%")[0])
    except ValueError:
        return False
    # Linux takes 0.0.0.0 and :: for the host itself.
    return address.is_loopback or address.is_unspecified
