"""Leaf certificates, issued by authorities in the run's memory.

A key is made here and travels over SSH; it is written with mode 0600, before its certificate. All
files of a host change together at the end (see `kanae.transport.files`), so that what is there
stays until all that replaces it is on the host's disk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kanae.errors import Refused
from kanae.execute import kubeconfig
from kanae.execute.actions.authorities import (
    CLOCK_ALLOWANCE,
    key_usage,
    pem,
    private_name,
    public_name,
)
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import certificates as scripts
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import Form, IssueCertificates, LeafCertificate, RestartComponents
from kanae.plan.certificates import AUTHORITIES, LIFETIME
from kanae.transport.protocol import Upload, must

Signer: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


async def issue(ctx: StepContext) -> Outcome:
    action = ctx.action(IssueCertificates)
    uploads = [Upload(marks.path(mark), b"\n", 0o600) for mark in action.marks]
    for leaf in action.certificates:
        public = ctx.values.get(public_name(leaf.authority))
        issued = issue_leaf(leaf, public, ctx.values.get(private_name(leaf.authority)))
        uploads += _files(leaf, public, *issued)
    await ctx.transport().upload(uploads)
    return Outcome.CHANGED


async def restart(ctx: StepContext) -> Outcome:
    action = ctx.action(RestartComponents)
    names = [*(["kubelet"] if action.kubelet else []), *action.pods]
    await must(
        ctx.transport(),
        scripts.restart(action, ctx.left_on_host()),
        command=f"restart {', '.join(names)}",
        timeout=ctx.left(),
        remedy="`crictl ps -a` and `journalctl -u kubelet -u containerd` on the host say what does "
        "not start; then apply again",
    )
    return Outcome.CHANGED


def _files(leaf: LeafCertificate, authority: str, certificate: str, key: str) -> list[Upload]:
    match leaf.form:
        case Form.PAIR:
            return [
                Upload(at.key(leaf.path), key.encode(), 0o600),
                Upload(leaf.path, certificate.encode(), 0o644),
            ]
        case Form.KUBECONFIG:
            text = kubeconfig.embedded(leaf, authority, certificate, key)
            return [Upload(leaf.path, text.encode(), 0o600)]
        case Form.COMBINED:
            # What kubelet uses is a link of its own, which is led here when it restarts.
            return [Upload(at.KUBELET_ISSUED, (certificate + key).encode(), 0o600)]


def issue_leaf(leaf: LeafCertificate, public: str, private: str) -> tuple[str, str]:
    """(certificate, key) as PEM, signed by the authority given as PEM. It ends no later than that.

    Raises Refused for an authority and a key that are not of each other.
    """
    authority, signer = _loaded(leaf.authority, public, private)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.server else []
    usages += [ExtendedKeyUsageOID.CLIENT_AUTH] if leaf.client else []
    start = datetime.now(UTC) - CLOCK_ALLOWANCE
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(_end(start, authority))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_authority_key_id(authority), critical=False)
    )
    if leaf.sans:
        names_ = x509.SubjectAlternativeName([_san(san) for san in leaf.sans])
        builder = builder.add_extension(names_, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem(key)


def _loaded(name: str, public: str, private: str) -> tuple[x509.Certificate, Signer]:
    """An authority with its key. It may be a company's, of any kind. Raises Refused for what cannot
    be read or cannot sign."""
    try:
        authority = x509.load_pem_x509_certificate(public.encode())
        signer = serialization.load_pem_private_key(private.encode(), None)
        if isinstance(signer, Signer) and signer.public_key() == authority.public_key():
            return authority, signer
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    certificate, key = AUTHORITIES[name]
    raise Refused(
        f"{certificate} and {key} are no authority with its key (RSA or ECDSA, without a "
        "passphrase): nothing is issued with them",
        remedy="put back the pair as it was, from another control-plane host or a backup",
    )


def _end(start: datetime, authority: x509.Certificate) -> datetime:
    """An authority that has ended issues nothing that could be of use: its end is left as it is,
    for certificates must end after they begin."""
    end = min(start + LIFETIME, authority.not_valid_after_utc)
    return end if end > start else start + timedelta(minutes=10)


def _authority_key_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = authority.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise TypeError("an authority with a key of an unknown kind") from None
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
