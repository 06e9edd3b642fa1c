"""SSH identities of a lab and the files by which the operator's programs use them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kanae.lab.record import HostRecord, LabRecord


@dataclass(frozen=True, slots=True)
class KeyPair:
    """private: OpenSSH's PEM; public: one line, `ssh-ed25519 AAAA...`, without comment."""

    private: str
    public: str


def generate() -> KeyPair:
    # Here, so that a fault or `ssh` does not wait for a library that only `up` needs.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private.decode(), public.decode())


@dataclass(frozen=True, slots=True)
class SshFiles:
    """The lab's `ssh_config`, `known_hosts` and `id_ed25519`, in its folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def identity(self) -> Path:
        return self.folder / "id_ed25519"

    def operator(self) -> str:
        """The operator's public key; made at the first call."""
        public = self.folder / "id_ed25519.pub"
        if not public.exists():
            pair = generate()
            _private(self.identity, pair.private)
            public.write_text(pair.public + " kanae-lab\n")
        return public.read_text()

    def host_key(self, host: str, number: int = 0) -> KeyPair:
        """A host's own key, kept in the lab's folder so that known_hosts can be written anew.

        number: of the hardware that it belongs to.
        """
        folder = self.folder / (f"host_keys.{number}" if number else "host_keys")
        folder.mkdir(exist_ok=True, mode=0o700)
        private, public = folder / host, folder / f"{host}.pub"
        if not public.exists():
            pair = generate()
            _private(private, pair.private)
            public.write_text(pair.public)
        return KeyPair(private.read_text(), public.read_text())

    def shell(self, host: HostRecord) -> list[str]:
        """Words of an ssh command that trusts the host's key as it is now; its name comes next."""
        argv = ["ssh", "-F", str(self.config)]
        if host.disk == 0:
            return argv
        known = self.folder / f"host_keys.{host.disk}" / f"{host.name}.known"
        key = self.host_key(host.name, host.disk).public
        known.write_text(f"{host.name},{host.address} {key}\n")
        return [*argv, "-o", f'UserKnownHostsFile="{known}"']

    def write(self, record: LabRecord) -> None:
        """Write ssh_config and known_hosts for every host of the record.

        known_hosts has the key that a host was made with, whatever hardware it has now: an operator
        does not learn by himself that a machine was replaced.
        """
        known = [f"{h.name},{h.address} {self.host_key(h.name).public}" for h in record.hosts]
        self.known_hosts.write_text("\n".join(known) + "\n")
        blocks = [f"# Lab {record.name}. Use: ssh -F {self.config} {record.hosts[0].name}"]
        blocks += [
            f"Host {host.name} {host.address}\n"
            f"  HostName {host.address}\n"
            "  User root\n"
            f'  IdentityFile "{self.identity}"\n'
            "  IdentitiesOnly yes\n"
            f'  UserKnownHostsFile "{self.known_hosts}"\n'
            "  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n"
            "  UpdateHostKeys no\n"
            "  ConnectTimeout 10\n"
            for host in record.hosts
        ]
        self.config.write_text("\n".join(blocks))


def _private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
