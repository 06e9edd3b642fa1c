"""Rules of single fields that are easier said in Python than as a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address

from kanae.spec.models import Spec
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.text import DOMAIN
from kanae.spec.versions import KubernetesVersion, unsupported

_DATA_DIR = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}")
# Of the system or of other programs, with all below them.
_NOT_FOR_DATA = re.compile(
    r"/(bin|boot|dev|etc|lib|lib32|lib64|proc|run|sbin|sys|tmp|usr"
    r"|var/(cache|log|run|spool|tmp)"
    r"|var/lib/(cni|containerd|containers|docker|dpkg|kanae|kubelet|rpm|systemd|weave))(/.*)?"
)
# Others have folders in them.
_OF_EVERYBODY = re.compile(r"/var/(lib|local|opt)|/home/[^/]+")
_DOMAIN = re.compile(rf"(\*\.)?{DOMAIN}")
_LONGEST_WINDOW = timedelta(days=300)


def cluster_rules(spec: Spec) -> Iterator[Violation]:
    if wrong := unsupported(KubernetesVersion.parse(spec.kubernetes)):
        yield Violation(("kubernetes",), wrong)
    data_dir = str(spec.etcd.data_dir)
    place = ("etcd", "dataDir")
    if not _DATA_DIR.fullmatch(data_dir):
        message = f"expected an absolute path such as /var/lib/etcd, not {quoted(data_dir)}"
        yield Violation(place, message)
    elif _NOT_FOR_DATA.fullmatch(data_dir) or _OF_EVERYBODY.fullmatch(data_dir):
        yield Violation(place, f"expected a directory for lasting data, not {data_dir}")
    takers = len(spec.dns_hosts)
    if (replicas := spec.dns.replicas) is not None and 1 < takers < replicas:
        message = f"expected at most {takers}, one on each node that takes CoreDNS, not {replicas}"
        yield Violation(("dns", "replicas"), message)
    if spec.certificates.window > _LONGEST_WINDOW:
        # Those of a year would be issued anew by every apply.
        message = f"expected at most 300d, not {spec.certificates.renew_before}"
        yield Violation(("certificates", "renewBefore"), message)
    for index, name in enumerate(spec.api_server.cert_sans):
        if not _is_address(name) and not (_DOMAIN.fullmatch(name) and len(name) <= 253):
            message = f"expected an address or a DNS name, not {quoted(name)}"
            yield Violation(("apiServer", "certSans", index), message)


def _is_address(text: str) -> bool:
    """Without a zone such as %eth0, for which a certificate has no place."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
