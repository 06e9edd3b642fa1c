"""Proxy variables on hosts."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from kanae.layout import proxies, units
from kanae.verify.model import Finding, Subject, info, warning


def proxy(subject: Subject) -> Iterator[Finding]:
    """General ones are kept from all that kanae runs. Those that somebody set for a service of the
    cluster hold: images may have to come through a proxy, while kubelet and etcd reach only the
    cluster's own hosts."""
    for host, facts in subject.hosts():
        own = [path for path in facts.base.proxies if _of_service(path)]
        general = [path for path in facts.base.proxies if path not in own]
        if general:
            evidence = f"proxy variables in {', '.join(general)}"
            yield info("proxy", host, f"{evidence}: the cluster's programs are run without them")
        for path in own if host in (*subject.spec.nodes, *subject.spec.etcd_hosts) else ():
            if f"/{units.CONTAINERD}.d/" in path:
                yield info("proxy", host, f"{path} gives containerd a proxy, for images")
            else:
                yield warning(
                    "proxy",
                    host,
                    f"{path} sets a proxy for a service of the cluster",
                    "take it out: kubelet and etcd would ask the cluster's own hosts through it",
                )


def _of_service(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in proxies.OF_SERVICES)
