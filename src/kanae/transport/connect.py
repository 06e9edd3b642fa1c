"""Opening an SSH connection, with every way that can fail said in the words of this tool."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kanae.errors import AuthenticationFailed, ConnectError, HostKeyChanged, HostKeyUnknown
from kanae.transport.settings import Reach

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
    """A host as it will be dialled, all settings resolved. known_hosts: files for host keys."""

    host: str
    address: str
    port: int
    user: str
    known_hosts: tuple[Path, ...]
    options: asyncssh.SSHClientConnectionOptions
    jump: str | None

    @property
    def known(self) -> list[str] | bytes:
        """Never None, which would turn checking off; an empty file knows no host."""
        return [str(file) for file in self.known_hosts if file.is_file()] or b"\n"

    @property
    def where(self) -> str:
        return f"{self.user}@{self.address} port {self.port}"


class Jumps:
    """Connections to jump hosts, each opened once and shared by all hosts behind it."""

    def __init__(self) -> None:
        self._open: dict[str, asyncssh.SSHClientConnection] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(
        self, jump: str, config: Path | None, timeout: float
    ) -> asyncssh.SSHClientConnection:
        """jump: `[user@]host[:port]`, or several with commas between, each reached by the last."""
        async with self._locks.setdefault(jump, asyncio.Lock()):
            known = self._open.get(jump)
            if known is not None and not known.is_closed():
                return known
            before, _, last = jump.rpartition(",")
            tunnel = await self.get(before, config, timeout) if before else None
            user, _, place = last.rpartition("@")
            name, colon, port = place.partition(":")
            target = resolve(
                Reach(
                    host=f"jump host {name}",
                    address=name,
                    alias=name,
                    user=user or None,
                    port=int(port) if colon else None,
                    config=config,
                    connect_timeout=timeout,
                )
            )
            self._open[jump] = await _dial(target, tunnel, timeout)
            return self._open[jump]

    async def close(self) -> None:
        for connection in self._open.values():
            connection.abort()
            await connection.wait_closed()
        self._open.clear()


def resolve(reach: Reach) -> Target:
    """Read ssh_config, keys and known_hosts. Raises ConnectError when one of them is unusable."""
    import asyncssh

    given: dict[str, object] = {
        name: value
        for name, value in {
            "username": reach.user,
            "port": reach.port,
            "client_keys": None if reach.key is None else [str(reach.key)],
            "tunnel": reach.jump,
        }.items()
        if value is not None
    }
    try:
        # The address counts only where ssh_config gives no HostName: first value wins.
        with tempfile.NamedTemporaryFile("w", prefix="kanae-", suffix=".ssh_config") as fallback:
            fallback.write(f"Host *\nHostName {reach.address}\n")
            fallback.flush()
            options = asyncssh.SSHClientConnectionOptions(
                host=reach.alias,
                config=[*([str(reach.config)] if reach.config else []), fallback.name],
                encryption_algs=list(CIPHERS),
                keepalive_interval=KEEPALIVE,
                keepalive_count_max=KEEPALIVE_MISSED,
                agent_forwarding=False,
                gss_auth=False,
                gss_kex=False,
                **given,  # pyright: ignore[reportArgumentType]  # checked by the dict above
            )
    except (OSError, ValueError, asyncssh.Error) as error:
        raise AuthenticationFailed(
            reach.host,
            f"cannot connect to {reach.address}: settings, key or certificate unusable: {error}",
            remedy="check `ssh.key` and `ssh.config` in the spec (a key with a passphrase has to "
            "be in ssh-agent)",
        ) from error
    # What ssh_config says: asyncssh makes a list of it, or None for `none`.
    named = cast("list[str] | None", options.known_hosts)
    files = (
        (reach.known_hosts,)
        if reach.known_hosts is not None
        else tuple(Path(name).expanduser() for name in named or ())
    ) or (Path.home() / ".ssh" / "known_hosts",)
    tunnel = options.tunnel if isinstance(options.tunnel, str) and options.tunnel else None
    return Target(
        host=reach.host,
        address=options.host,
        port=options.port,
        user=options.username,
        known_hosts=files,
        options=options,
        jump=tunnel,
    )


async def dial(reach: Reach, jumps: Jumps) -> tuple[Target, asyncssh.SSHClientConnection]:
    """Connect and authenticate, at most `connect_timeout` seconds. Raises ConnectError kinds."""
    target = resolve(reach)
    tunnel = None
    if target.jump is not None:
        tunnel = await jumps.get(target.jump, reach.config, reach.connect_timeout)
    return target, await _dial(target, tunnel, reach.connect_timeout)


async def _dial(
    target: Target, tunnel: asyncssh.SSHClientConnection | None, timeout: float
) -> asyncssh.SSHClientConnection:
    import asyncssh

    try:
        async with asyncio.timeout(timeout):
            return await asyncssh.connect(
                target.address,
                target.port,
                options=target.options,
                known_hosts=target.known,
                server_host_key_algs=_host_key_algorithms(target),
                tunnel=tunnel,  # pyright: ignore[reportArgumentType]  # None: none, not even ssh_config's
            )
    except (OSError, asyncssh.Error) as error:
        raise _explained(target, error, timeout) from error


def _explained(target: Target, error: Exception, timeout: float) -> ConnectError:
    import asyncssh

    host, where = target.host, target.where
    if isinstance(error, asyncssh.PermissionDenied):
        return AuthenticationFailed(
            host,
            f"{where} refuses this user or key: {error.reason}",
            remedy="check `ssh.user` and `ssh.key` in the spec; the public key has to be in that "
            "user's ~/.ssh/authorized_keys on the host, or the key in ssh-agent",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return _host_key(target, error)
    if isinstance(error, TimeoutError):
        what = f"no answer within {timeout:g} s"
        remedy = "is the host up, its address in the spec right, and no firewall in between?"
    elif isinstance(error, ConnectionRefusedError):
        what = "connection refused"
        remedy = "is sshd running there, and on this port (`ssh.port` in the spec)?"
    elif isinstance(error, asyncssh.ConnectionLost):
        what = f"closed while connecting: {error.reason}"
        remedy = "see sshd's log on the host (too many connections at once: MaxStartups?)"
    else:
        what = str(error) or type(error).__name__
        remedy = "check the host's address in the spec and the route to it"
    return ConnectError(host, f"cannot connect to {where}: {what}", remedy=remedy)


def _host_key(target: Target, error: asyncssh.Error) -> ConnectError:
    """Unknown or changed? Changed when known_hosts has any key for the host."""
    import asyncssh

    name = _known_name(target)
    scanned = f"ssh-keyscan -p {target.port} {shlex.quote(target.address)}"
    file = shlex.quote(str(target.known_hosts[0]))
    if any(_known_keys(target)[:3]):
        lookup = name if target.port == 22 else f"[{name}]:{target.port}"
        return HostKeyChanged(
            target.host,
            f"{target.where} shows another host key than the one in {file} ({error.reason}): "
            "the host was installed anew, or somebody is in between",
            remedy=f"compare `{scanned} | ssh-keygen -lf -` with `ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub` on the host's own console; only if they agree: "
            f"ssh-keygen -f {file} -R {shlex.quote(lookup)}; {scanned} >> {file}",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return ConnectError(
            target.host,
            f"cannot connect to {target.where}: {error.reason}",
            remedy="the host's sshd offers only algorithms that are not accepted here: update it",
        )
    return HostKeyUnknown(
        target.host,
        f"the host key of {target.where} is not in {file}",
        remedy=f"compare `{scanned} | ssh-keygen -lf -` with `ssh-keygen -lf "
        "/etc/ssh/ssh_host_ed25519_key.pub` on the host's own console; if they agree: "
        f"{scanned} >> {file}",
    )


def _known_name(target: Target) -> str:
    return target.options.host_key_alias or target.address


def _known_keys(target: Target) -> Sequence[Sequence[object]]:
    """Keys of the host in known_hosts, of authorities, revoked ones, and more of each kind."""
    import asyncssh

    return asyncssh.match_known_hosts(
        target.known,
        _known_name(target),
        target.address if _is_address(target.address) else "",
        None if target.port == 22 else target.port,
    )


def _host_key_algorithms(target: Target) -> list[str]:
    """Kinds of known keys first, so that one of these is shown if the host has it; then the rest,
    so that a host that lost it shows what it has, and is found changed instead of only silent."""
    import asyncssh

    known: list[str] = []
    for key in _known_keys(target)[0]:
        if isinstance(key, asyncssh.SSHKey):
            known += [algorithm.decode() for algorithm in key.sig_algorithms]
    return [*dict.fromkeys(known), *(name for name in HOST_KEYS if name not in known)]


def _is_address(text: str) -> bool:
    return text.replace(".", "").isdigit() or ":" in text
