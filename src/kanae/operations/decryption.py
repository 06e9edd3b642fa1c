"""Reading what an API server has encrypted, with the configuration of that encryption.

Forms: staging/src/k8s.io/apiserver/pkg/storage/value/encrypt/{aes,secretbox} of Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kanae.render.yaml import read_documents

PREFIX: Final = b"k8s:enc:"
_IV: Final = 16
_NONCE: Final = 12


class Undecided(Exception):
    """Whether the key fits cannot be told here: it is in a service, or of a kind not known."""


def decrypted(stored: bytes, at: str, configurations: Mapping[str, bytes]) -> bytes:
    """stored: as etcd has it at the key `at`. configurations: files, by name. What is not encrypted
    is returned as it is. Raises ValueError, in words, when no key of these opens it."""
    if not stored.startswith(PREFIX):
        return stored
    _, _, provider, version, name, sealed = stored.split(b":", 5)
    kind = provider.decode(errors="replace")
    if kind not in ("aescbc", "aesgcm"):
        raise Undecided(f"it is encrypted by {kind} ({version.decode(errors='replace')})")
    secret = _key(kind, name.decode(errors="replace"), configurations)
    try:
        if kind == "aesgcm":
            return AESGCM(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], at.encode())
        decryptor = Cipher(algorithms.AES(secret), modes.CBC(sealed[:_IV])).decryptor()
        padded = decryptor.update(sealed[_IV:]) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except (InvalidTag, ValueError):
        raise ValueError(f"the backup's key {name.decode()!r} does not open it") from None


def _key(provider: str, name: str, configurations: Mapping[str, bytes]) -> bytes:
    for text in configurations.values():
        for key in _keys(provider, read_documents(text.decode(errors="replace"))):
            if key.get("name") == name:
                try:
                    return base64.b64decode(str(key.get("secret")), validate=True)
                except binascii.Error:
                    raise ValueError(f"the backup's key {name!r} is none") from None
    raise ValueError(f"the backup has no {provider} key {name!r}")


def _keys(provider: str, documents: Iterable[object]) -> Iterator[Mapping[str, object]]:
    """Of the form of EncryptionConfiguration; anything else is passed over."""
    for document in documents:
        for resource in _listed(document, "resources"):
            for each in _listed(resource, "providers"):
                yield from map(_fields, _listed(_fields(each).get(provider), "keys"))


def _listed(value: object, name: str) -> list[object]:
    found = _fields(value).get(name)
    return cast("list[object]", found) if isinstance(found, list) else []


def _fields(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
