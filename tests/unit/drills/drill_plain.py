"""What is asked inside without TLS: a DNS server and a kubelet's health, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kanae.drills.probing.client import Route
from kanae.drills.records import CONTROL, DNS

NAME = "kubernetes.default.svc.cluster.local"


@dataclass
class Plain:
    """code: of DNS answers, 3 for an unknown name. answers: how many addresses each has.
    names: what was asked for. health: the first line that the kubelet answers with.
    """

    code: int = 0
    answers: int = 1
    shift: int = 0  # added to the number of each question
    health: bytes = b"HTTP/1.1 200 OK\r\n"
    names: list[str] = field(default_factory=list[str])
    dns_port: int = 0
    health_port: int = 0

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route(DNS, "127.0.0.1", self.dns_port, NAME),
            Route(CONTROL, "127.0.0.1", self.health_port, "127.0.0.1"),
        )

    async def resolve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        except EOFError:
            writer.close()
            return
        labels: list[str] = []
        at = 12
        while length := message[at]:
            labels.append(message[at + 1 : at + 1 + length].decode())
            at += 1 + length
        self.names.append(".".join(labels))
        number = int.from_bytes(message[:2]) + self.shift
        head = (number, 0x8180 | self.code, 1, self.answers, 0, 0)
        answer = b"".join(part.to_bytes(2) for part in head) + message[12:]
        writer.write(len(answer).to_bytes(2) + answer)
        writer.close()

    async def tell_health(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
        except EOFError:
            writer.close()
            return
        writer.write(self.health)
        writer.close()


@asynccontextmanager
async def plain_servers() -> AsyncGenerator[Plain]:
    plain = Plain()
    dns = await asyncio.start_server(plain.resolve, "127.0.0.1", 0)
    kubelet = await asyncio.start_server(plain.tell_health, "127.0.0.1", 0)
    plain.dns_port = dns.sockets[0].getsockname()[1]
    plain.health_port = kubelet.sockets[0].getsockname()[1]
    async with dns, kubelet:
        yield plain
