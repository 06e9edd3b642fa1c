"""Certificate authorities and the service-account key.

Keys are made or read into the run's memory and travel from there over SSH; they are written on the
hosts with mode 0600, private before public, so that a public file never stands for a missing key.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import files
from kanae.execute.values import Values
from kanae.layout import paths as at
from kanae.plan.actions import GatherAuthorities, RecordIdentity, WriteAuthorities
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.membership import identity_of
from kanae.transport.protocol import Upload, must_text

# kubeadm's own: CertificateAuthorityDefaultPeriod (cmd/kubeadm/app/constants).
AUTHORITY_DAYS = 3650
# Common names as kubeadm gives them (cmd/kubeadm/app/phases/certs/certlist.go).
COMMON_NAMES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd-ca": "etcd-ca"}

# kubeadm allows for clocks that are a little behind, and so do these.
CLOCK_ALLOWANCE = timedelta(minutes=5)


def public_name(name: str) -> str:
    """Of an authority among the run's values."""
    return f"authority/{name}/public"


def private_name(name: str) -> str:
    return f"authority/{name}/private"


async def gather(ctx: StepContext) -> Outcome:
    """Read authorities from the host or the backup that has them, or make them."""
    action = ctx.action(GatherAuthorities)
    for name in action.names:
        public, private = AUTHORITIES[name]
        if action.source:
            host = ctx.transport(action.source)
            cert = await must_text(host, files.read(public), command=f"cat {public}")
            key = await must_text(host, files.read(private), command=f"cat {private}")
            remember(ctx.values, name, cert, key)
        elif action.backup:
            cert, key = (
                (Path(action.backup) / path.removeprefix(f"{at.KUBERNETES}/")).read_text()
                for path in (public, private)
            )
            remember(ctx.values, name, cert, key)
        else:
            remember(ctx.values, name, *make_authority(name))
    return Outcome.OK if action.source else Outcome.CHANGED


def remember(values: Values, name: str, public: str, private: str) -> None:
    values.put(public_name(name), public)
    values.put(private_name(name), private)


async def write(ctx: StepContext) -> Outcome:
    action = ctx.action(WriteAuthorities)
    uploads: list[Upload] = []
    for name in action.names:
        public, private = AUTHORITIES[name]
        uploads += [
            Upload(private, ctx.values.get(private_name(name)).encode(), 0o600),
            Upload(public, ctx.values.get(public_name(name)).encode(), 0o644),
        ]
    for name in action.public:
        text = ctx.values.get(public_name(name))
        uploads.append(Upload(AUTHORITIES[name][0], text.encode(), 0o644))
    await ctx.transport().upload(uploads)
    return Outcome.CHANGED


async def record_identity(ctx: StepContext) -> Outcome:
    key = ctx.values.get(public_name("sa"))
    identity = identity_of(hashlib.sha256(key.encode()).hexdigest())
    path = ctx.action(RecordIdentity).path
    await ctx.transport().upload([Upload(path, identity.encode(), 0o600)])
    return Outcome.CHANGED


def authority_hash(public: str) -> str:
    """The pin that `kubeadm join` wants: sha256 of the certificate's SubjectPublicKeyInfo."""
    certificate = x509.load_pem_x509_certificate(public.encode())
    der = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def make_authority(name: str) -> tuple[str, str]:
    """(public, private) as PEM: a certificate and its key, for `sa` a public key and its key."""
    if name == "sa":
        # Tokens signed with RSA are understood by every client; it is kubeadm's default too.
        account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = account.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return public.decode(), pem(account)
    key = ec.generate_private_key(ec.SECP256R1())
    name_ = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAMES[name])])
    start = datetime.now(UTC) - CLOCK_ALLOWANCE
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name_)
        .issuer_name(name_)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(COMMON_NAMES[name])]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem(key)


def key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


async def authority_public(ctx: StepContext, source: str) -> str:
    """The cluster's authority as PEM, from the run's memory or from a control-plane host."""
    known = ctx.values.find(public_name("ca"))
    if known is not None:
        return known
    path = AUTHORITIES["ca"][0]
    return await must_text(ctx.transport(source), files.read(path), command=f"cat {path}")
