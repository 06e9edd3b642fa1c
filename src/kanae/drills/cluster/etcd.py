"""What etcd's members say, asked on their hosts with etcdctl. Parsers are pure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kanae.errors import HostError
from kanae.execute.scripts.programs import ETCDCTL
from kanae.layout import ports
from kanae.spec.models import Spec
from kanae.transport.protocol import Transport

_HASH_TRIES = 10
_LOCAL = f"--endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"


@dataclass(frozen=True, slots=True)
class Status:
    """One member. member, leader: hexadecimal ids; no leader is "". address: of its client URL."""

    address: str
    member: str
    leader: str
    revision: int
    errors: tuple[str, ...]


def _entries(text: bytes) -> list[dict[str, Any]]:
    """etcdctl ends with a non-zero status when a member is missing, and prints the others."""
    for line in text.decode(errors="replace").splitlines():
        if line.startswith("["):
            try:
                return cast("list[dict[str, Any]]", json.loads(line))
            except ValueError:
                return []
    return []


def _address(endpoint: object) -> str:
    return str(endpoint).partition("://")[2].rpartition(":")[0]


def parse_status(text: bytes) -> tuple[Status, ...]:
    """`endpoint status --cluster -w json`."""
    found: list[Status] = []
    for entry in _entries(text):
        status = cast("dict[str, Any]", entry.get("Status") or {})
        header = cast("dict[str, Any]", status.get("header") or {})
        leader = int(status.get("leader") or 0)
        found.append(
            Status(
                address=_address(entry.get("Endpoint")),
                member=f"{int(header.get('member_id') or 0):x}",
                leader=f"{leader:x}" if leader else "",
                revision=int(header.get("revision") or 0),
                errors=tuple(str(error) for error in status.get("errors") or ()),
            )
        )
    return tuple(found)


def parse_hashes(text: bytes) -> Mapping[str, tuple[int, int]]:
    """`endpoint hashkv --cluster -w json`: address -> (hash, compaction revision)."""
    found: dict[str, tuple[int, int]] = {}
    for entry in _entries(text):
        answer = cast("dict[str, Any]", entry.get("HashKV") or {})
        value = (int(answer.get("hash") or 0), int(answer.get("compact_revision") or 0))
        found[_address(entry.get("Endpoint"))] = value
    return found


class Etcd:
    """All members, by way of whichever of their hosts answers first."""

    def __init__(self, spec: Spec, transport: Callable[[str], Transport]) -> None:
        self._transport = transport
        self._hosts = spec.etcd_hosts
        self._names = {str(spec.hosts[host].address): host for host in self._hosts}

    async def _ask(self, command: str, away: frozenset[str]) -> bytes:
        """away: hosts not to ask, since they are known to be dead and would take long."""
        for host in self._hosts:
            if host in away:
                continue
            try:
                script = f"{ETCDCTL} {_LOCAL} -w json {command} 2>/dev/null\n"
                done = await self._transport(host).run(script, timeout=8)
            except HostError:
                continue
            if done.stdout.strip():
                return done.stdout
        return b""

    async def statuses(self, away: frozenset[str] = frozenset()) -> dict[str, Status]:
        """By host name; members that do not answer are left out."""
        text = await self._ask("endpoint status --cluster", away)
        return {self._names.get(s.address, s.address): s for s in parse_status(text)}

    async def hashes(self) -> tuple[int, dict[str, int | None]]:
        """A revision, and each member's hash at it; None where it gave none.

        Members that are compacted to different points have different hashes without any harm:
        then the others' are left out as None too, for the caller to ask again.
        """
        statuses = await self.statuses()
        revision = min((status.revision for status in statuses.values()), default=0)
        if not revision:
            return 0, dict.fromkeys(self._hosts)
        found = parse_hashes(await self._ask(f"endpoint hashkv --cluster --rev {revision}", NOBODY))
        by_host = {self._names.get(address, address): value for address, value in found.items()}
        if len({compacted for _, compacted in by_host.values()}) > 1:
            return revision, dict.fromkeys(self._hosts)
        return revision, {host: by_host.get(host, (None, 0))[0] for host in self._hosts}

    async def compared(self) -> tuple[int, dict[str, int | None]]:
        """As `hashes`, asked again for a while when one is lacking."""
        for _ in range(_HASH_TRIES):
            revision, hashes = await self.hashes()
            if None not in hashes.values():
                return revision, hashes
            await asyncio.sleep(1.0)
        return await self.hashes()


NOBODY: frozenset[str] = frozenset()
