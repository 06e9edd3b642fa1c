"""A host as it will be dialled: the spec's settings and ssh_config(5) resolved into one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kanae import paths
from kanae.errors import AuthenticationFailed
from kanae.spec.models import Spec
from kanae.transport.settings import Reach, reach_of

if TYPE_CHECKING:
    import asyncssh

# A host that lost power is noticed after KEEPALIVE x (KEEPALIVE_MISSED + 1) seconds at the latest.
KEEPALIVE = 4.0
KEEPALIVE_MISSED = 2
# Measured: 500 MB at 250 MB/s with AES-GCM first, 174 with asyncssh's default order.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)
HOST_KEYS = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A host as it will be dialled, all settings resolved. known_hosts: files for host keys.

    alias: what ssh_config was asked for. is_jump: not a host of the spec. jump: the way to it,
    `[user@]host[:port]`, or several with commas between. keys: files with private keys that
    are named in the spec or ssh_config.
    """

    host: str
    alias: str
    is_jump: bool
    address: str
    port: int
    user: str
    known_hosts: tuple[Path, ...]
    options: asyncssh.SSHClientConnectionOptions
    jump: str | None
    keys: tuple[str, ...]

    @property
    def known(self) -> bytes:
        """All that is in known_hosts and can be read; comments need not be UTF-8. Never None, which
        would turn checking off; an empty file knows no host."""
        told = [file.read_bytes() for file in self.known_hosts if file.is_file()]
        text = b"\n".join([*told, b""]).decode(errors="replace")
        if not _is_readable(text):
            # As OpenSSH does: a line that is no entry is passed over, and the others hold.
            text = "\n".join([line for line in text.splitlines() if _is_readable(line)])
        return text.encode() or b"\n"

    @property
    def where(self) -> str:
        return f"{self.user}@{self.address} port {self.port}"

    @property
    def known_name(self) -> str:
        """The name under which known_hosts is searched."""
        return self.options.host_key_alias or self.address

    def known_keys(self) -> Sequence[Sequence[object]]:
        """Keys of the host in known_hosts, of authorities, revoked ones, and more of each kind."""
        import asyncssh

        return asyncssh.match_known_hosts(
            self.known,
            self.known_name,
            self.address if _is_address(self.address) else "",
            None if self.port == 22 else self.port,
        )

    def host_key_algorithms(self) -> list[str]:
        """Kinds of known keys first, so that one of these is shown if the host has it; then the
        rest, so that a host that lost it shows what it has, and is found changed instead of only
        silent."""
        import asyncssh

        known: list[str] = []
        for key in self.known_keys()[0]:
            if isinstance(key, asyncssh.SSHKey):
                known += [algorithm.decode() for algorithm in key.sig_algorithms]
        return [*dict.fromkeys(known), *(name for name in HOST_KEYS if name not in known)]


def _is_readable(known_hosts: str) -> bool:
    """Whether asyncssh takes it: one line that it does not know fails all of a file."""
    import asyncssh

    try:
        asyncssh.import_known_hosts(known_hosts)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    return text.replace(".", "").isdigit() or ":" in text


def resolve(reach: Reach) -> Target:
    """Read ssh_config, keys and known_hosts. Raises ConnectError when one of them is unusable."""
    import asyncssh

    keys = [] if reach.key is None else [str(reach.key)]
    try:
        try:
            options = _options(reach, keys)
        except OSError:
            if keys:
                raise
            # ssh itself passes over an IdentityFile of ssh_config that is not there.
            named = _identities(_options(reach, None))
            options = _options(reach, [name for name in named if os.access(name, os.R_OK)])
    except (OSError, ValueError, asyncssh.Error) as error:
        user = "" if reach.user is None else f"{reach.user}@"
        port = "" if reach.port is None else f" port {reach.port}"
        raise AuthenticationFailed(
            reach.host,
            f"cannot connect to {user}{reach.address}{port}: {_unusable(error)}",
            remedy="check `ssh.key` and `ssh.config` in the spec",
        ) from error
    # What ssh_config says: asyncssh makes a list of it, or None for `none`.
    files = cast("list[str] | None", options.known_hosts)
    tunnel = options.tunnel if isinstance(options.tunnel, str) and options.tunnel else None
    return Target(
        host=reach.host,
        alias=reach.alias,
        is_jump=reach.is_jump,
        address=options.host,
        port=options.port,
        user=options.username,
        known_hosts=(
            (reach.known_hosts,)
            if reach.known_hosts is not None
            else tuple(paths.expanded(name) for name in files or ())
        )
        or (paths.home() / ".ssh" / "known_hosts",),
        options=options,
        jump=tunnel,
        keys=tuple(keys or _identities(options)),
    )


def dialled(spec: Spec, host: str) -> tuple[str, int]:
    """Address and port at which this machine reaches a host's sshd, or that of the way to it where
    ssh_config names another. Raises ConnectError when ssh_config or a key is unusable."""
    target = resolve(reach_of(spec, host))
    return target.address, target.port


def _options(reach: Reach, keys: Sequence[str] | None) -> asyncssh.SSHClientConnectionOptions:
    """keys: private keys; empty for those of ssh_config or ~/.ssh, None for none at all."""
    import asyncssh

    given: dict[str, object] = {
        name: value
        for name, value in {
            "username": reach.user,
            "port": reach.port,
            "tunnel": reach.jump,
        }.items()
        if value is not None
    }
    if keys is None or keys:
        given["client_keys"] = keys
    # The address counts only where ssh_config gives no HostName: first value wins.
    with tempfile.NamedTemporaryFile("w", prefix="kanae-", suffix=".ssh_config") as fallback:
        fallback.write(f"Host *\nHostName {reach.address}\n")
        fallback.flush()
        return asyncssh.SSHClientConnectionOptions(
            host=reach.alias,
            config=[*([str(reach.config)] if reach.config else []), fallback.name],
            # A key with a passphrase is left to ssh-agent, also when it is named.
            ignore_encrypted=True,
            encryption_algs=list(CIPHERS),
            keepalive_interval=KEEPALIVE,
            keepalive_count_max=KEEPALIVE_MISSED,
            agent_forwarding=False,
            gss_auth=False,
            gss_kex=False,
            **given,  # pyright: ignore[reportArgumentType]  # checked by the dict above
        )


def _unusable(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return f"settings, key or certificate unusable: {error}"


def _identities(options: asyncssh.SSHClientConnectionOptions) -> list[str]:
    """IdentityFile lines of ssh_config."""
    named = cast("list[str] | None", options.config.get("IdentityFile"))
    return [str(paths.expanded(name)) for name in named or ()]
