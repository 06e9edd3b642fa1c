"""Certificates of simulated hosts."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from kanae.execute.actions.leaves import issue_leaf
from kanae.facts.model import CertificateFact

_EMBEDDED: Final = re.compile(r"client-certificate-data: (\S+)")
_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [^\n]*\n", re.DOTALL)
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


# What kubeadm issues is the same wherever the same is issued: the real script and the simulated
# action write the same files.
issued = cache(issue_leaf)


@cache
def embedded(text: str) -> str:
    """The certificate that a file holds, as PEM; "" where it holds none."""
    found = _EMBEDDED.search(text)
    if found is not None:
        try:
            text = b64decode(found[1], validate=True).decode()
        except ValueError:
            return ""
    match = _PEM.search(text)
    return match[0] if match is not None else ""


@cache
def matches(certificate: str, key: str) -> bool:
    """Whether a private key, both PEM, is the certificate's."""
    private = _KEY.search(key)
    if private is None:
        return False
    loaded = serialization.load_pem_private_key(private[0].encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return loaded.public_key() == x509.load_pem_x509_certificate(certificate.encode()).public_key()


@cache
def ending(certificate: str, authority_key: str, end: datetime) -> str:
    """The same certificate with another end. authority_key: of its issuer, PEM."""
    old = x509.load_pem_x509_certificate(certificate.encode())
    signer = serialization.load_pem_private_key(authority_key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(end - timedelta(days=365))
        .not_valid_after(end)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = builder.sign(signer, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@cache
def certificate(text: str) -> CertificateFact:
    """A certificate as `kanae.facts` reads it."""
    parsed = x509.load_pem_x509_certificate(text.encode())
    names: set[str] = set()
    for extension in parsed.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names |= {str(name.value) for name in extension.value}

    def key_id(oid: x509.ObjectIdentifier) -> str:
        try:
            value = parsed.extensions.get_extension_for_oid(oid).value
        except x509.ExtensionNotFound:
            return ""
        if isinstance(value, x509.SubjectKeyIdentifier):
            return value.digest.hex()
        if isinstance(value, x509.AuthorityKeyIdentifier) and value.key_identifier is not None:
            return value.key_identifier.hex()
        return ""

    return CertificateFact(
        parsed.subject.rfc4514_string(),
        parsed.issuer.rfc4514_string(),
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
        frozenset(names),
        parsed.fingerprint(hashes.SHA256()).hex(),
        is_ca=key_id(ExtensionOID.AUTHORITY_KEY_IDENTIFIER) == "",
        authority_key_id=key_id(ExtensionOID.AUTHORITY_KEY_IDENTIFIER),
        subject_key_id=key_id(ExtensionOID.SUBJECT_KEY_IDENTIFIER),
    )
