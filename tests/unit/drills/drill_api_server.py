"""A small TLS server that plays an API server's ConfigMaps, with faults that tests plant."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from drill_streams import Answer, serve_streams


@dataclass
class Store:
    """etcd, so to speak: shared by several servers. compacted: watches from before it are told."""

    revision: int = 100
    compacted: int = 0
    objects: dict[str, int] = field(default_factory=dict[str, int])
    rare: set[str] = field(default_factory=set[str])  # by their label
    events: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def create(self, name: str, *, keep: bool = True) -> int:
        async with self.changed:
            self.revision += 1
            if keep:
                self.objects[name] = self.revision
                self.events.append((self.revision, name))
            self.changed.notify_all()
        return self.revision

    async def longer_than(self, count: int) -> None:
        """Wait for more events than a number."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.events) > count)


@dataclass
class Faults:
    """stalled: answers wait until it is set. lose: acknowledge so many writes without keeping them.
    error_kept, error_dropped: answer so many writes with 500, having kept them or not. last:
    answer with `Connection: close`. expire: answer so many watches with 410. swap: so many pairs
    of events in the wrong order. busy: answer so many requests with 429 and Retry-After. service:
    seconds that each request takes.
    """

    stalled: asyncio.Event | None = None
    lose: int = 0
    error_kept: int = 0
    error_dropped: int = 0
    last: bool = False
    expire: int = 0
    busy: int = 0
    swap: int = 0
    service: float = 0.0


class ApiServer:
    def __init__(self, store: Store, context: ssl.SSLContext, address: str = "127.0.0.1") -> None:
        self.store = store
        self.address = address
        self.nodes: tuple[str, ...] = ()
        self.lists: Callable[[str], list[dict[str, Any]]] = lambda kind: []
        self.faults = Faults()
        self.port = 0
        self.requests = 0
        self.deleted: list[str] = []
        self.connections = 0
        self.multiplexed = 0  # of these, over HTTP/2
        self._context = context
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, self.address, self.port, ssl=self._context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and reset the open ones, as a killed process does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known at once, so that a stop in this moment closes it too."""
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        try:
            if tls.selected_alpn_protocol() == "h2":
                self.multiplexed += 1
                await serve_streams(reader, writer, self._answer_stream)
                return
            while await self._answer(reader, writer):
                continue
            # To close while requests are unread would be a reset, which may overtake the answer.
            while await reader.read(1 << 16):
                continue
        except (OSError, EOFError, asyncio.CancelledError):
            return
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        headers = head.decode().lower()
        length = 0
        for line in headers.split("\r\n"):
            if line.startswith("content-length:"):
                length = int(line.partition(":")[2])
        body = await reader.readexactly(length)
        await self._take()
        url = urlsplit(target.decode())
        query = parse_qs(url.query)
        if "watch" in query:
            rare = query.get("labelSelector") == ["drill-pace=rare"]
            return await self._watch(writer, int(query["resourceVersion"][0]), rare=rare)
        status, answer = await self._do(method.decode(), url.path, query, body)
        content = json.dumps(answer).encode()
        close = "connection: close" in headers or self.faults.last
        ending = "Connection: close\r\n" if close else ""
        if status == 429:
            ending += "Retry-After: 0\r\n"
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{ending}\r\n".encode()
            + content
        )
        await writer.drain()
        return not close

    async def _take(self) -> None:
        self.requests += 1
        await asyncio.sleep(self.faults.service)
        if self.faults.stalled is not None:
            await self.faults.stalled.wait()

    async def _answer_stream(self, method: str, target: str, body: bytes) -> Answer:
        await self._take()
        url = urlsplit(target)
        status, answer = await self._do(method, url.path, parse_qs(url.query), body)
        headers = {"retry-after": "0"} if status == 429 else {}
        return Answer(status, headers, json.dumps(answer).encode(), self.faults.last)

    async def _do(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        if self.faults.busy > 0:
            self.faults.busy -= 1
            return 429, {}
        parts = path.strip("/").split("/")
        if path == "/readyz":
            return 200, {}
        if parts[-1] == "nodes":
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            return 200, {"items": [_object(n, 1) | {"status": ready} for n in self.nodes]}
        if parts[-1] == "leases":
            spec = {"renewTime": str(time.time())}
            return 200, {"items": [_object(n, 1) | {"spec": spec} for n in self.nodes]}
        if method == "GET" and parts[-1] in ("pods", "endpointslices"):
            return 200, {"items": self.lists(parts[-1])}
        if path.endswith("/namespaces/kube-system"):
            return 200, _object("kube-system", 1)
        if method == "DELETE":
            self.deleted.append(path)
            return 200, {}
        if method == "POST":
            metadata = json.loads(body)["metadata"]
            if metadata.get("labels", {}).get("drill-pace") == "rare":
                self.store.rare.add(metadata["name"])
            return await self._create(parts[-1], metadata["name"])
        if parts[-1] == "configmaps":
            names = sorted(self.store.objects)
            begin, limit = int(query.get("continue", ["0"])[0]), int(query["limit"][0])
            more = str(begin + limit) if begin + limit < len(names) else ""
            items = [_object(n, self.store.objects[n]) for n in names[begin : begin + limit]]
            metadata = {"resourceVersion": str(self.store.revision), "continue": more}
            return 200, {"items": items, "metadata": metadata}
        name = parts[-1]
        if name not in self.store.objects:
            return 404, {}
        return 200, _object(name, self.store.objects[name])

    async def _create(self, collection: str, name: str) -> tuple[int, Any]:
        if collection in ("namespaces", "services"):
            return 201, _object(name, self.store.revision)
        if name in self.store.objects:
            return 409, {}
        if name.startswith("w-"):
            if self.faults.lose > 0:
                self.faults.lose -= 1
                return 201, _object(name, await self.store.create(name, keep=False))
            if self.faults.error_kept > 0:
                self.faults.error_kept -= 1
                await self.store.create(name)
                return 500, {"message": "etcdserver: request timed out"}
            if self.faults.error_dropped > 0:
                self.faults.error_dropped -= 1
                return 500, {"message": "etcdserver: no leader"}
        return 201, _object(name, await self.store.create(name))

    async def _watch(self, writer: asyncio.StreamWriter, revision: int, *, rare: bool) -> bool:
        def send(event: dict[str, Any]) -> None:
            line = json.dumps(event).encode() + b"\n"
            writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        planted = self.faults.expire > 0 and not rare
        if planted or revision < self.store.compacted:
            self.faults.expire -= planted
            send({"type": "ERROR", "object": {"code": 410, "message": "too old"}})
            writer.write(b"0\r\n\r\n")
            return False
        store, sent = self.store, 0
        while store.events[sent : sent + 1] and store.events[sent][0] <= revision:
            sent += 1
        while True:
            ready = store.events[sent:]
            if self.faults.swap > 0 and not rare and len(ready) == 1:
                await store.longer_than(sent + 1)
                ready = store.events[sent : sent + 2][::-1]
                self.faults.swap -= 1
            sent += len(ready)
            wanted = self.store.rare if rare else self.store.objects
            for at, name in (event for event in ready if event[1] in wanted):
                send({"type": "ADDED", "object": _object(name, at)})
            await writer.drain()
            await store.longer_than(sent)


def _object(name: str, revision: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(revision)}}
