"""Certificates: PEM bodies and public keys that a host printed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from kanae.facts.frame import Answer
from kanae.facts.model import CertificateFact
from kanae.shown import shown


def parse_certificates(answer: Answer, asked: Sequence[str]) -> dict[str, CertificateFact | None]:
    """A file that is missing or holds no certificate that can be read maps to None."""
    bodies: dict[str, bytes] = {}
    keys: dict[str, bytes] = {}
    for tag, path, body in _entries(answer.lines("certificates")):
        (bodies if tag == "C" else keys)[path] = body
    return {
        path: certificate(bodies[path], keys.get(path)) if path in bodies else None
        for path in asked
    }


def _entries(lines: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    tag, path, body = "", "", ""
    for line in (*lines, "C /"):
        if line[:3] in {"C /", "K /"}:
            if tag:
                yield tag, path, _der(body)
            tag, path, body = line[0], line[2:], ""
        elif not line.startswith("-----"):
            body += line.strip()


def _der(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return b""


def certificate(der: bytes, public_key: bytes | None = None) -> CertificateFact | None:
    """public_key: SubjectPublicKeyInfo (DER) of the private key beside it, if there is one."""
    try:
        cert = x509.load_der_x509_certificate(der)
        own_key = cert.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return CertificateFact(
            subject=shown(cert.subject.rfc4514_string()),
            issuer=shown(cert.issuer.rfc4514_string()),
            not_before=cert.not_valid_before_utc,
            not_after=cert.not_valid_after_utc,
            sans=_sans(cert),
            fingerprint=cert.fingerprint(hashes.SHA256()).hex(),
            is_ca=_is_ca(cert),
            authority_key_id=_authority(cert),
            subject_key_id=_subject(cert),
            key_matches=own_key == public_key if public_key else None,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return None


def _sans(cert: x509.Certificate) -> frozenset[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = names.get_values_for_type(x509.IPAddress)
    found = names.get_values_for_type(x509.DNSName)
    return frozenset((*map(shown, found), *map(str, addresses)))


def _is_ca(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _authority(cert: x509.Certificate) -> str:
    try:
        value = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return (value.key_identifier or b"").hex()


def _subject(cert: x509.Certificate) -> str:
    try:
        value = cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return value.digest.hex()
