"""Masking secrets in text that is written down or shown."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from kanae.execute.events import Event

MASK = "<masked>"
# Shorter values would mask parts of ordinary words; no secret of Kubernetes is shorter.
SHORTEST = 8

_PATTERNS = (
    # PEM private keys, whole or cut off at the end; also as one line with escaped line ends.
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    # The same in base64 (this is how "-----BEGIN" begins, less the kind), also folded.
    re.compile(r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]*(?:\s+[A-Za-z0-9+/=]{40,})*"),
    # Bootstrap token: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
    re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),
    # JSON web tokens, such as those of service accounts.
    re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    # kubeadm's certificate key, 32 bytes in hex, only where it is named: a digest looks the same.
    re.compile(r"(?<=--certificate-key[ =])\s*[0-9a-f]{64}\b"),
)
# Between a name and its value in YAML, TOML and JSON, and in JSON inside of a string of JSON.
_IS = r"""(?:\\*["'])?\s*[:=]\s*"""
_QUOTE = r"""\\*["']"""
# What is a secret because of its name; the name is left.
_NAMED = (
    re.compile(rf"""(client-key-data{_IS}(?:{_QUOTE})?)[^\s"'\\,}}]+"""),
    re.compile(rf"(certificateKey{_IS}(?:{_QUOTE})?)[0-9a-f]{{64}}\b"),
    # In quotes only: prose speaks of passwords too.
    re.compile(rf"""(?i)((?:password|passwd|identitytoken|\bauth|\btoken){_IS}{_QUOTE})[^"'\\]+"""),
)


class Redactor:
    """Masks what looks like a secret and the values it was told of."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[str] = set()

    def hide(self, value: str) -> None:
        """Mask this value too; of one with several lines also each line of its own."""
        pieces = {value, value.strip(), *(line.strip() for line in value.splitlines())}
        self._known |= {
            piece for piece in pieces if len(piece) >= SHORTEST and not piece.startswith("-----")
        }

    def __call__(self, text: str) -> str:
        # Longest first: a value may be part of another.
        for value in sorted(self._known, key=len, reverse=True):
            text = text.replace(value, MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(MASK, text)
        for pattern in _NAMED:
            text = pattern.sub(rf"\1{MASK}", text)
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._known)} values)"

    def __reduce__(self) -> str:
        raise TypeError("a redactor knows secrets and is never pickled")


def masked(event: Event, redactor: Redactor) -> Event:
    """The same event with every text in it masked."""
    texts = {
        field.name: redactor(value)
        for field in fields(event)
        if isinstance(value := getattr(event, field.name), str)
    }
    # StrEnum members are texts too, but an outcome is never a secret.
    texts.pop("outcome", None)
    return replace(event, **texts)
