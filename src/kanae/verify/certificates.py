"""How certificates and keys are: from facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kanae.facts.model import CertificateFact, Facts, HostFacts
from kanae.plan import certificates as listed
from kanae.plan.certificates import Certificate
from kanae.plan.clients import end_of, kubeconfig
from kanae.plan.leaves import window
from kanae.spec.models import Role, Spec


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate of a host. days: that are left, negative when it has ended. name, reload: see
    `kanae.plan.certificates`. subject, issuer: as RFC 4514 writes them. soon: it should have been
    renewed by now. authority: it is one itself."""

    host: str
    path: str
    days: int
    not_after: datetime
    name: str = ""
    subject: str = ""
    names: tuple[str, ...] = ()
    issuer: str = ""
    users: str = ""
    reload: str = ""
    soon: bool = False
    authority: bool = False

    @property
    def ended(self) -> bool:
        return self.days < 0


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key pair without a certificate. since: when it was put on the host. days: since then."""

    host: str
    path: str
    name: str
    users: str
    since: datetime
    days: int


def certificates(spec: Spec, facts: Facts) -> tuple[CertificateStatus, ...]:
    """Of all hosts that answer, those that end first before others."""
    found = [
        each
        for host in facts.hosts.values()
        if host.host in spec.hosts
        for each in (*_of_host(spec, host), *_of_client(spec, host))
    ]
    return tuple(sorted(found, key=lambda each: (each.not_after, each.host, each.path)))


def keys(spec: Spec, facts: Facts) -> tuple[KeyStatus, ...]:
    return tuple(
        KeyStatus(
            host.host,
            each.secret,
            each.name,
            each.users,
            since := datetime.fromtimestamp(file.modified, UTC),
            (host.read_at - since).days,
        )
        for host in facts.hosts.values()
        if host.host in spec.hosts
        for each in listed.of_host(spec, host.host)
        if each.is_key and (file := host.files.get(each.secret)) is not None and file.modified
    )


def open_to_others(spec: Spec, facts: Facts) -> Iterator[tuple[str, str, int]]:
    """Private keys that not only root may read: host, path, mode."""
    for host in facts.hosts.values():
        held = listed.of_host(spec, host.host) if host.host in spec.hosts else ()
        for path in dict.fromkeys(each.secret for each in held if each.secret):
            file = host.files.get(path)
            if file is not None and file.kind == "file" and file.mode & 0o077:
                yield host.host, path, file.mode


def words(status: CertificateStatus) -> str:
    """What is wrong with one that has ended or should have been renewed."""
    when = f"{status.not_after:%Y-%m-%d}"
    return f"{status.path} " + (
        f"has ended ({when})" if status.ended else f"ends in {status.days} days ({when})"
    )


def _of_host(spec: Spec, host: HostFacts) -> Iterator[CertificateStatus]:
    for each in listed.of_host(spec, host.host):
        if (held := listed.fact(host, each)) is not None:
            yield _status(spec, host, each, held)


def _status(
    spec: Spec, host: HostFacts, certificate: Certificate, held: CertificateFact
) -> CertificateStatus:
    left = held.not_after - host.read_at
    return CertificateStatus(
        host.host,
        certificate.path,
        left.days,
        held.not_after,
        certificate.name,
        held.subject,
        tuple(sorted(held.sans)),
        held.issuer,
        certificate.users,
        certificate.reload,
        left < window(spec, host.host, certificate, held),
        bool(certificate.authority),
    )


def _of_client(spec: Spec, host: HostFacts) -> Iterator[CertificateStatus]:
    """As it was recorded when it was written: others' entries are in the file too."""
    there = kubeconfig(host) if Role.CLIENT in spec.hosts[host.host].roles else None
    end = end_of(spec, host)
    if there is None or end is None or not there.present:
        return
    left: timedelta = end - host.read_at
    yield CertificateStatus(
        host.host,
        there.path,
        left.days,
        end,
        listed.CLIENTS,
        "CN=kubernetes-admin",
        users=f"kubectl of {host.base.login.account}",
        reload="each time that it is used",
        soon=left < spec.certificates.window,
    )
