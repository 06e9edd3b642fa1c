"""Leaf certificates that have to be issued, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from kanae.facts.model import CertificateFact, HostFacts
from kanae.layout import paths as at
from kanae.plan.actions import Form, LeafCertificate
from kanae.plan.certificates import AUTHORITIES, KUBELET, LIFETIME, Certificate, fact, leaves
from kanae.plan.view import View
from kanae.spec.models import Spec

# A new one is worth its while when it lasts so much longer than the old one.
_GAIN: Final = timedelta(days=1)
# What is left of its life when kubelet, which renews its own when a tenth is left at the latest,
# has not been able to.
_OVERDUE: Final = 20
MISSING: Final = "missing"


@dataclass(frozen=True, slots=True)
class Due:
    """why: for people. ended: what is there is of no use any more."""

    certificate: Certificate
    leaf: LeafCertificate
    why: str
    ended: bool = False


def due(view: View) -> Mapping[str, tuple[Due, ...]]:
    """Those of each host that answers. Before it has joined, only those that kubeadm does not make.

    Where certificates are asked for by name (`Site.renewing`), those alone, as far as they are
    there.
    """
    issuers = {name: authority(view, name) for name in AUTHORITIES}
    return {host: _due(view, host, issuers) for host in view.reachable}


def _due(view: View, host: str, issuers: Mapping[str, CertificateFact | None]) -> tuple[Due, ...]:
    facts, asked, joined = view.host(host), view.site.renewing, view.joined(host)
    found: list[Due] = []
    for certificate, leaf in leaves(view.spec, host):
        if certificate.by_kubeadm and not joined:
            continue
        held = fact(facts, certificate)
        if asked is None:
            why = _wrong(view.spec, facts, certificate, leaf, issuers[leaf.authority])
        else:
            why = "asked for" if held is not None and certificate.name in asked else ""
        if why:
            ended = held is not None and held.not_after <= facts.read_at
            # A kubeconfig goes on leading where it does: see `endpoint` for when that changes.
            leads = facts.servers.get(leaf.path, leaf.leads)
            found.append(Due(certificate, replace(leaf, leads=leads), why, ended))
    return tuple(found)


def authority(view: View, name: str) -> CertificateFact | None:
    """As the first host that has it with its key tells; None where it is still to be made."""
    public, key = AUTHORITIES[name]
    for facts in view.facts.hosts.values():
        if facts.files.get(key) is not None and (found := facts.certificates.get(public)):
            return found
    return None


def window(spec: Spec, host: str, certificate: Certificate, held: CertificateFact) -> timedelta:
    """How long before its end a certificate should have been renewed."""
    if certificate.name == KUBELET and spec.kubelet_of(host).get("rotateCertificates", True):
        return (held.not_after - held.not_before) / _OVERDUE
    return spec.certificates.window


def _wrong(
    spec: Spec,
    facts: HostFacts,
    certificate: Certificate,
    leaf: LeafCertificate,
    issuer: CertificateFact | None,
) -> str:
    """Why this leaf certificate has to be issued, or ""."""
    held, there = fact(facts, certificate), facts.files.get(leaf.path) is not None
    if held is None:
        # A kubeconfig without a certificate is somebody's own.
        own = leaf.form is Form.KUBECONFIG and there
        return "" if own or (certificate.optional and not there) else MISSING
    if leaf.form is Form.PAIR and facts.files.get(at.key(leaf.path)) is None:
        return MISSING
    if issuer is None:
        # Of a control plane that is built again the authorities come with the backup.
        return "" if certificate.by_kubeadm else "issued by another authority"
    if not _issued_by(held, issuer):
        return "issued by another authority"
    left = held.not_after - facts.read_at
    gains = min(facts.read_at + LIFETIME, issuer.not_after) - held.not_after > _GAIN
    if gains and left < window(spec, facts.host, certificate, held):
        return f"{'ends' if left > timedelta(0) else 'ended'} {held.not_after:%Y-%m-%d}"
    # kubeadm makes its own anew with the configuration (see `reconfigure`).
    if not certificate.by_kubeadm and not set(leaf.sans) <= held.sans:
        return f"lacks {', '.join(sorted(set(leaf.sans) - held.sans))}"
    if held.key_matches is False:
        return "does not belong to its key"
    return ""


def _issued_by(held: CertificateFact, issuer: CertificateFact) -> bool:
    """An authority need not have a key identifier: it is then known by its name."""
    if issuer.subject_key_id:
        return held.authority_key_id == issuer.subject_key_id
    return held.issuer == issuer.subject
