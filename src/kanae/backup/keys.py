"""Keys of encrypted backups: for whom they are encrypted, and who can read them (age, RFC draft at
age-encryption.org/v1). Public keys stand in the spec; private ones are only ever read from files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kanae.errors import BackupLocked, UsageError

if TYPE_CHECKING:
    import pyrage

    Recipient = pyrage.x25519.Recipient | pyrage.ssh.Recipient
    Identity = pyrage.x25519.Identity | pyrage.ssh.Identity

VARIABLE: Final = "KANAE_AGE_IDENTITY_FILE"
_SECRET: Final = re.compile(r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}")
# Nobody's key is as large; a whole disk given by mistake is not read into memory.
_MOST: Final = 1 << 20


def recipients(texts: Sequence[str]) -> list[Recipient]:
    """Of public keys in which `kanae.spec.rules.backup.wrong_recipient` finds nothing wrong."""
    import pyrage

    return [
        pyrage.x25519.Recipient.from_str(text)
        if text.startswith("age1")
        else pyrage.ssh.Recipient.from_str(text)
        for text in texts
    ]


def identity_file(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Where the private keys are: what was given, else what the environment names, else nowhere."""
    if given is not None:
        return given
    named = environment.get(VARIABLE, "")
    return Path(named) if named else None


def identities(file: Path) -> list[Identity]:
    """The private keys in a file: lines of age-keygen, or one unencrypted private key of SSH.

    UsageError when there is none, or when others than its owner may read it.
    """
    import pyrage

    try:
        with file.open("rb") as stream:
            open_to = os.fstat(stream.fileno()).st_mode & 0o077
            text = stream.read(_MOST)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    if open_to:
        raise UsageError(f"{file}: others may read this private key", remedy=f"chmod 600 {file}")
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    natives = [line for line in lines if line and not line.startswith("#")]
    try:
        if text.lstrip().startswith(b"-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(text)]
        if natives and all(_SECRET.fullmatch(line) for line in natives):
            return [pyrage.x25519.Identity.from_str(line) for line in natives]
    except pyrage.IdentityError as error:
        raise UsageError(
            f"{file} cannot be used as a private key: {error}",
            remedy="an SSH key must be without a passphrase (ssh-keygen -p on a copy of it)",
        ) from None
    raise UsageError(
        f"{file} holds no private key",
        remedy="give a file as age-keygen writes it, or a private key of SSH",
    )


def no_key(where: str) -> BackupLocked:
    """For an encrypted file when no private keys were given."""
    return BackupLocked(
        f"{where} is encrypted and no private key was given",
        remedy=f"--identity-file FILE, or {VARIABLE} in the environment",
    )
