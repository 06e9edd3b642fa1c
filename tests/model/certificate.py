"""Certificates of simulated hosts."""

from __future__ import annotations

from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID

from kanae.facts.model import CertificateFact


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
