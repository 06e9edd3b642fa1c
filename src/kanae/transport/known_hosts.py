"""What is known of a host's key: the operator's known_hosts, and the keys accepted for a cluster.

The operator's files are only read. A key that was accepted by its fingerprint is in a file of
kanae's own, in the folder of the cluster's state, and beats theirs for that host; what they revoke
stays revoked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kanae.errors import OfferedKey
from kanae.lab.locks import held

if TYPE_CHECKING:
    import asyncssh

_SSH = 22


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """For one host. text: in the format of known_hosts; never empty, which would turn checking off.

    keys: its own; authorities: of certificates; revoked: neither may be one of these. files: where
    the text is from, with what is in each.
    """

    text: bytes
    keys: tuple[asyncssh.SSHKey, ...]
    authorities: tuple[asyncssh.SSHKey, ...]
    revoked: tuple[asyncssh.SSHKey, ...]
    files: tuple[tuple[Path, str], ...]
    _host: tuple[str, str, int | None]

    @classmethod
    def read(
        cls, name: str, port: int, *, address: str, files: Sequence[Path], accepted: Path | None
    ) -> KnownHosts:
        """name, port: by which the host is searched, and also by its IP address, if it is known."""
        told = [(file, _text(file)) for file in files]
        own = [] if accepted is None else _lines_of(_text(accepted), entry_name(name, port))
        if accepted is not None and own:
            theirs = [line for _, text in told for line in text.splitlines()]
            text = "\n".join([*own, *(line for line in theirs if line.startswith("@revoked"))])
            told = [(accepted, _text(accepted)), *told]
        else:
            text = "\n".join(text for _, text in told if text)
        host = (name, address, None if port == _SSH else port)
        found = _match(text, host)
        return cls(f"{text}\n".encode(), *found, tuple(told), host)

    def trusted(self) -> Iterator[str]:
        """Each key that is trusted for the host: its kind, fingerprint, file and line."""
        shown: set[asyncssh.SSHKey] = set()
        for file, text in self.files:
            for number, line in enumerate(text.splitlines(), 1):
                keys, authorities, _ = _match(line, self._host)
                for key in (*keys, *authorities):
                    if key not in shown and key in (*self.keys, *self.authorities):
                        shown.add(key)
                        whose = "authority " if authorities else ""
                        yield f"{whose}{kind(key)} {key.get_fingerprint()} in {file} line {number}"


def kind(key: asyncssh.SSHKey) -> str:
    """`ssh-ed25519`"""
    return key.algorithm.decode()


def public(key: asyncssh.SSHKey) -> str:
    """`ssh-ed25519 AAAA...`, without a comment."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def entry_name(name: str, port: int) -> str:
    """As known_hosts has it."""
    return name if port == _SSH else f"[{name}]:{port}"


def accept(file: Path, offered: OfferedKey) -> None:
    """Trust this key of the host from now on, in place of what was accepted for it before.

    The file is replaced as a whole; another kanae that does the same is waited for.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with held(file.with_suffix(".lock"), "accepts a host key", None):
        former = _lines_of(_text(file), offered.name)
        lines = [line for line in _text(file).splitlines() if line not in former]
        fresh = file.with_suffix(".partial")
        fresh.write_text("\n".join([*lines, f"{offered.name} {offered.public}", ""]))
        with fresh.open() as written:
            os.fsync(written.fileno())
        fresh.replace(file)


def _text(file: Path) -> str:
    """Need not be UTF-8 in comments; a file that is not there knows no host. A line that is no
    entry is passed over, as OpenSSH does, and the others hold: it is empty here."""
    text = file.read_bytes().decode(errors="replace") if file.is_file() else ""
    if _is_readable(text):
        return text
    return "\n".join(line if _is_readable(line) else "" for line in text.splitlines())


def _is_readable(text: str) -> bool:
    """Whether asyncssh takes it: one line that it does not know fails all of a file."""
    import asyncssh

    try:
        asyncssh.import_known_hosts(text)
    except ValueError:
        return False
    return True


def _lines_of(text: str, name: str) -> list[str]:
    """Those for exactly this name, as `accept` writes them."""
    return [line for line in text.splitlines() if line.split(" ", 1)[0] == name]


def _match(
    text: str, host: tuple[str, str, int | None]
) -> tuple[tuple[asyncssh.SSHKey, ...], tuple[asyncssh.SSHKey, ...], tuple[asyncssh.SSHKey, ...]]:
    """Keys of the host, of authorities, and revoked ones."""
    import asyncssh

    keys, authorities, revoked, *_ = asyncssh.match_known_hosts(f"{text}\n".encode(), *host)
    # Where name and address are the same, each is found twice.
    return _distinct(keys), _distinct(authorities), _distinct(revoked)


def _distinct(keys: Iterable[asyncssh.SSHKey]) -> tuple[asyncssh.SSHKey, ...]:
    return tuple(dict.fromkeys(keys))
