"""Opening an SSH connection, through jump hosts where the settings say so."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kanae.errors import ConnectError
from kanae.transport.explain import explained
from kanae.transport.settings import Reach
from kanae.transport.target import Target, host_key_algorithms, resolve

if TYPE_CHECKING:
    import asyncssh

# As ssh_config(5) has it for ProxyJump: `[user@]host[:port]` or a URI.
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<v6>[^]]+)\]|(?P<name>[^:@\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)


class Jumps:
    """Connections to jump hosts, each opened once and shared by all hosts behind it."""

    def __init__(self) -> None:
        self._open: dict[str, asyncssh.SSHClientConnection] = {}
        self._failed: dict[str, ConnectError] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, jump: str, behind: Reach) -> asyncssh.SSHClientConnection:
        """jump: `[user@]host[:port]`, or several with commas between, each reached by the last.

        behind: the host for which it is opened; its ssh_config and timeout are the jump host's.
        """
        lock = self._locks.setdefault(jump, asyncio.Lock())
        waited = lock.locked()
        async with lock:
            # Those who waited while another one tried in vain do not try one after the other.
            if waited and jump in self._failed:
                raise self._failed[jump]
            known = self._open.get(jump)
            if known is not None and not known.is_closed():
                return known
            try:
                self._open[jump] = await self._connect(jump, behind)
            except ConnectError as error:
                self._failed[jump] = error
                raise
            self._failed.pop(jump, None)
            return self._open[jump]

    async def _connect(self, jump: str, behind: Reach) -> asyncssh.SSHClientConnection:
        before, _, last = jump.rpartition(",")
        tunnel = await self.get(before, behind) if before else None
        target = replace(resolve(_reach(last, behind)), jump=before or None)
        return await _dial(target, tunnel, behind.connect_timeout)

    def host_keys(self) -> dict[str, asyncssh.SSHKey | None]:
        """What each jump host has shown that is connected."""
        return {f"jump host {jump}": c.get_server_host_key() for jump, c in self._open.items()}

    async def close(self) -> None:
        for connection in self._open.values():
            connection.abort()
            await connection.wait_closed()
        self._open.clear()


def way(reach: Reach) -> tuple[Target, ...]:
    """The jump hosts on the way to a host, nearest first. Raises ConnectError kinds."""
    jump = resolve(reach).jump
    return () if jump is None else tuple(resolve(_reach(each, reach)) for each in jump.split(","))


def _reach(jump: str, behind: Reach) -> Reach:
    """How one jump host is reached: by ssh_config only, as `ssh -J` does it."""
    found = _JUMP.fullmatch(jump.strip())
    if found is None or not 0 < int(found["port"] or 22) < 65536:
        raise ConnectError(
            f"jump host {jump}",
            "this is no jump host",
            remedy="write user@host:port, in `ssh.jump` of the spec or ProxyJump of ssh_config",
        )
    name = found["v6"] or found["name"]
    return Reach(
        host=f"jump host {name}",
        address=name,
        alias=name,
        user=found["user"],
        port=None if found["port"] is None else int(found["port"]),
        config=behind.config,
        connect_timeout=behind.connect_timeout,
        is_jump=True,
        accepted=behind.accepted,
    )


async def dial(reach: Reach, jumps: Jumps) -> tuple[Target, asyncssh.SSHClientConnection]:
    """Connect and authenticate, at most `connect_timeout` seconds. Raises ConnectError kinds."""
    target = resolve(reach)
    tunnel = None
    if target.jump is not None:
        try:
            tunnel = await jumps.get(target.jump, reach)
        except ConnectError as error:
            raise error.behind(reach.host) from error
    return target, await _dial(target, tunnel, reach.connect_timeout)


async def _dial(
    target: Target, tunnel: asyncssh.SSHClientConnection | None, timeout: float
) -> asyncssh.SSHClientConnection:
    import asyncssh

    from kanae.transport.client import Client  # here, as asyncssh

    known = target.known
    client = Client()
    try:
        async with asyncio.timeout(timeout):
            return await asyncssh.connect(
                target.address,
                target.port,
                options=target.options,
                client_factory=lambda: client,
                known_hosts=known.text,
                server_host_key_algs=host_key_algorithms(known),
                tunnel=tunnel,  # pyright: ignore[reportArgumentType]  # None: none, not even ssh_config's
            )
    except (OSError, asyncssh.Error) as error:
        raise explained(target, error, timeout, client.untrusted) from error
