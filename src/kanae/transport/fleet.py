"""All hosts of a cluster, connected at once."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from kanae import paths
from kanae.environment import SUDO_PASSWORD
from kanae.errors import ConnectError, ConnectionLost, HostError, KanaeError
from kanae.spec.models import Spec
from kanae.transport.acceptance import Acceptance, HostKeys
from kanae.transport.connect import Jumps
from kanae.transport.fence import Fence
from kanae.transport.gather import Gathered, gather
from kanae.transport.protocol import Completed
from kanae.transport.settings import reach_of
from kanae.transport.ssh import SshTransport

T = TypeVar("T")
# Seconds: long enough for a broken route or a restarted sshd, not for a reboot.
RECONNECT = 10.0


class FleetError(KanaeError):
    """Hosts that cannot be reached, or do not answer. errors: one for each, at least one.

    What is the same for several hosts is said once: a broken jump host, the remedy for a key that
    none of them lets in. The exit code is the one of their kind when all are of one kind.
    """

    def __init__(self, errors: Mapping[str, HostError]) -> None:
        said: dict[str, dict[str, list[str]]] = {}
        for host, error in errors.items():
            said.setdefault(error.remedy, {}).setdefault(error.cause, []).append(host)
        paragraphs = [
            (
                "\n".join(
                    f"{', '.join(hosts)}: {cause if len(hosts) > 1 else errors[hosts[0]].what}"
                    for cause, hosts in group.items()
                ),
                remedy,
            )
            for remedy, group in said.items()
        ]
        *before, (last, remedy) = paragraphs
        super().__init__(
            "\n".join([*(str(KanaeError(text, remedy=mend)) for text, mend in before), last]),
            remedy=remedy,
        )
        self.errors = dict(errors)
        kinds = {error.exit_code for error in errors.values()}
        self.exit_code = kinds.pop() if len(kinds) == 1 else ConnectError.exit_code


class Fleet:
    """`async with Fleet(spec) as fleet: await fleet["m1"].run(...)`.

    hosts: which of the spec's, by default all. run_id: names this run's processes on the hosts.
    password: called once when a host wants a sudo password that KANAE_SUDO_PASSWORD does not hold;
    None when nobody can be asked, which is then an error of each such host.
    tolerant: hosts that cannot be reached are left out and listed in `unreachable`, instead of
    FleetError for all of them together.
    host_keys: which are accepted beside the trusted ones. UsageError for a fingerprint that no host
    has.
    """

    def __init__(
        self,
        spec: Spec,
        hosts: Iterable[str] | None = None,
        *,
        run_id: str = "",
        password: Callable[[], str | None] | None = None,
        tolerant: bool = False,
        host_keys: HostKeys | None = None,
    ) -> None:
        self.spec = spec
        self.run_id = run_id or secrets.token_hex(6)
        self.unreachable: dict[str, ConnectError] = {}
        self._hosts = tuple(hosts) if hosts is not None else tuple(spec.hosts)
        self._password = password
        self._tolerant = tolerant
        self._word: str | None = None
        self._host_keys = host_keys or HostKeys()
        self._jumps = Jumps()
        self._transports: dict[str, SshTransport] = {}

    async def __aenter__(self) -> Self:
        try:
            errors = await self._connect(self._open(self.spec, self._hosts))
            if errors and not self._tolerant:
                raise FleetError(errors)
            self.unreachable = errors
            for host in errors:
                del self._transports[host]
        except BaseException:
            await self.close()
            raise
        return self

    async def admit(self, spec: Spec, hosts: Iterable[str]) -> None:
        """Connect hosts that are not in this fleet's own spec, by keys that are trusted already;
        those that cannot be reached are listed in `unreachable`. Later calls pass over them."""
        new = [host for host in hosts if host not in self and host not in self.unreachable]
        errors = await self._tried(self._open(spec, new))
        self.unreachable |= errors
        for host in errors:
            del self._transports[host]

    def _open(self, spec: Spec, hosts: Sequence[str]) -> Sequence[str]:
        reaches = [reach_of(spec, host) for host in hosts]
        if any(reach.sudo == "password" for reach in reaches) and self._word is None:
            self._word = os.environ.get(SUDO_PASSWORD)
            if self._word is None and self._password is not None:
                self._word = self._password()
        for reach in reaches:
            self._transports[reach.host] = SshTransport(
                reach, jumps=self._jumps, run_id=self.run_id, password=self._word
            )
        return hosts

    async def _connect(self, hosts: Sequence[str]) -> dict[str, ConnectError]:
        """Connect all, accepting host keys as far as that is allowed. What keeps hosts away."""
        acceptance = Acceptance(self._host_keys, paths.known_hosts(self.spec.name))
        errors = await self._tried(hosts)
        while again := acceptance.of(errors):
            retried = await self._tried(again)
            errors = {h: e for h, e in errors.items() if h not in again} | retried
        keys = {host: transport.host_key for host, transport in self._transports.items()}
        shown = {**self._jumps.host_keys(), **keys}.items()
        acceptance.require_used(
            {host: key.get_fingerprint() for host, key in shown if key},
            errors,
            tolerant=self._tolerant,
        )
        return errors

    async def _tried(self, hosts: Iterable[str]) -> dict[str, ConnectError]:
        failed = (
            await gather(
                {host: self._transports[host] for host in hosts},
                lambda transport: transport.connect(),
                self.spec.policies.parallel_hosts,
            )
        ).failed
        return {
            host: error
            if isinstance(error, ConnectError)
            else ConnectError(host, error.what, remedy=error.remedy)
            for host, error in failed.items()
        }

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __getitem__(self, host: str) -> SshTransport:
        """Raises the host's own ConnectError when it was left out as unreachable."""
        if host in self.unreachable:
            raise self.unreachable[host]
        return self._transports[host]

    def __iter__(self) -> Iterator[str]:
        """Hosts that are connected."""
        return iter(self._transports)

    def __contains__(self, host: str) -> bool:
        return host in self._transports

    def __len__(self) -> int:
        return len(self._transports)

    async def recover(self, host: str, *, grace: float = 0.0) -> None:
        """Connect again to a host whose connection was lost, trying for RECONNECT seconds, then
        end what was running there; it gets `grace` seconds to end by itself. Raises ConnectError.
        """
        transport = self[host]
        clock = asyncio.get_running_loop().time
        until = clock() + RECONNECT
        while True:
            try:
                await transport.leftovers(grace=grace)
            except (ConnectError, ConnectionLost) as error:
                if clock() >= until:
                    raise ConnectError(host, error.what, remedy=error.remedy) from error
                await asyncio.sleep(0.5)
            else:
                return

    def keep_behind(self, fence: Fence | None) -> None:
        """Let no script begin on any host from now on but past this fence; None takes it away."""
        for transport in self._transports.values():
            transport.fence = fence

    async def run_unfenced(self, host: str, script: str, *, timeout: float) -> Completed:
        """Past the fence, and without waiting for other commands on the host. Raises HostError."""
        return await self[host].run_unfenced(script, timeout=timeout)

    async def settle(self, run: str, *, grace: float = 0.0) -> None:
        """See to it that no command of another run still runs on any host that is connected: they
        get `grace` seconds to end by themselves. Raises HostError for the first that cannot be
        asked.
        """
        mark = f"{run}/"
        settled = await self.each(lambda transport: transport.leftovers(grace=grace, mark=mark))
        for error in settled.failed.values():
            raise error

    async def each(self, call: Callable[[SshTransport], Awaitable[T]]) -> Gathered[T]:
        """Do something on every host, as many at once as the spec's policy allows."""
        return await gather(self._transports, call, self.spec.policies.parallel_hosts)

    async def close(self) -> None:
        await asyncio.gather(*(transport.close() for transport in self._transports.values()))
        await self._jumps.close()
