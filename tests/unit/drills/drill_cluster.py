"""A simulated cluster on loopback for the orchestrator: API servers, sshd greetings, etcdctl.

Its power is a file, so that it can be watched from outside and outlives a killed orchestrator.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from drill_api_server import ApiServer, Store
from drill_certificates import Authority

from kanae.drills.cluster.kube import routes
from kanae.drills.cluster.power import Direction, PowerCommand
from kanae.drills.probing.client import Route
from kanae.errors import ConnectError, ConnectionLost
from kanae.spec.models import Endpoint, Host, Role, Spec, Ssh
from kanae.transport.protocol import Completed, Upload

MEMBERS = ("m1", "m2", "m3")
# A container's id.
WEB = "a" * 64


def spec_of(api: int, ssh: int, endpoint: str) -> Spec:
    """Three masters on 127.0.0.x. endpoint: its address. Not by way of the loader,
    which rightly refuses loopback addresses.
    """
    hosts = {
        name: Host(address=IPv4Address(f"127.0.0.{11 + i}"), roles=[Role.CONTROL_PLANE])
        for i, name in enumerate(MEMBERS)
    }
    return Spec(
        name="simulated",
        kubernetes="v1.37.2",
        ssh=Ssh(port=ssh),
        endpoint=Endpoint(address=IPv4Address(endpoint), port=api),
        hosts=hosts,
    )


def routes_of(spec: Spec) -> tuple[Route, ...]:
    """As of a real cluster, but with the simulation's port for API servers."""
    return tuple(replace(route, port=spec.endpoint.port) for route in routes(spec))


@dataclass
class FilePower:
    """What is off is a file in a folder. stuck: cutting does nothing at all."""

    folder: Path
    stuck: bool = False

    def is_off(self, host: str) -> bool:
        return (self.folder / f"{host}.off").exists()

    def can(self, host: str) -> frozenset[PowerCommand]:
        return frozenset(PowerCommand)

    async def off(self, host: str) -> None:
        await self.cut(host)

    async def cut(self, host: str) -> None:
        if not self.stuck:
            (self.folder / f"{host}.off").touch()

    async def on(self, host: str) -> None:
        (self.folder / f"{host}.off").unlink(missing_ok=True)

    async def pause(self, host: str) -> None:
        await self.cut(host)

    async def resume(self, host: str) -> None:
        await self.on(host)

    async def partition(self, host: str, direction: Direction) -> None:
        await self.cut(host)

    async def heal(self) -> None:
        for path in self.folder.glob("*.off"):
            path.unlink()

    async def blank(self, host: str) -> None:
        await self.on(host)

    async def host_key(self, host: str) -> str | None:
        return f"SHA256:{host}"

    async def allow_realtime(self, host: str) -> None:
        """Its prober runs here."""


@dataclass
class Cluster:
    """Three API servers over one store; each follows its host's power."""

    folder: Path
    authority: Authority
    context: ssl.SSLContext
    power: FilePower
    store: Store = field(default_factory=Store)
    servers: dict[str, ApiServer] = field(default_factory=dict[str, ApiServer])
    boots: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEMBERS, 1))
    # Host -> what its balancers have logged.
    logs: dict[str, str] = field(default_factory=dict[str, str])
    # Of the drill's Deployment: as made, as there are, and as kube-proxy knows them.
    made: list[int] = field(default_factory=list[int])
    replicas: int = 0
    led_to: int = 0
    first_process: int = 100
    api_port: int = 0
    ssh_port: int = 0
    _greeters: dict[str, asyncio.Server] = field(default_factory=dict[str, asyncio.Server])
    _following: asyncio.Task[None] | None = None
    _ended: bool = False

    async def start(self) -> None:
        for i, name in enumerate(MEMBERS):
            server = ApiServer(self.store, self.context, f"127.0.0.{11 + i}")
            server.port = self.api_port
            server.nodes = MEMBERS
            server.lists = self.listed
            await server.start()
            self.api_port = server.port
            self.servers[name] = server
            await self._greet(name)
        self._following = asyncio.create_task(self._follow_power())

    async def _greet(self, name: str) -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-simulated\r\n")
            await writer.drain()
            writer.close()

        address = f"127.0.0.{11 + MEMBERS.index(name)}"
        greeter = await asyncio.start_server(serve, address, self.ssh_port)
        self.ssh_port = greeter.sockets[0].getsockname()[1]
        self._greeters[name] = greeter

    async def _follow_power(self) -> None:
        """Servers of hosts that are off die, those of hosts that are on return. It is asked to end,
        and not cancelled: a server that is just being started would be nobody's."""
        running = set(MEMBERS)
        while not self._ended:
            for name in MEMBERS:
                if self.power.is_off(name) and name in running:
                    running.discard(name)
                    self._greeters[name].close()
                    await self.servers[name].stop()
                elif not self.power.is_off(name) and name not in running:
                    self.boots[name] += 1
                    await self._greet(name)
                    await self.servers[name].start()
                    running.add(name)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._ended = True
        if self._following is not None:
            await self._following
        for greeter in self._greeters.values():
            greeter.close()
        for server in self.servers.values():
            await server.stop()

    def spec(self, endpoint: str = "127.0.0.11") -> Spec:
        return spec_of(self.api_port, self.ssh_port, endpoint)

    def transport(self, host: str) -> SimulatedHost:
        return SimulatedHost(host, self)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """Objects that the drill's own pods are made of, and a pod of somebody's on m1."""
        if kind == "pods":
            status = {
                "name": "main",
                "containerID": f"containerd://{WEB}",
                "state": {"running": WEB},
            }
            return [
                {
                    "metadata": {"namespace": "default", "name": "web"},
                    "spec": {"nodeName": "m1"},
                    "status": {"containerStatuses": [status]},
                }
            ]
        ready = {"conditions": {"ready": True}}
        return [
            {
                "addressType": "IPv4",
                "ports": [{"port": 80}],
                "endpoints": [
                    {"addresses": [f"10.1.0.{number + 1}"], **ready}
                    for number in range(self.replicas)
                ],
            }
        ]

    def deploy(self, document: bytes) -> None:
        *_, deployment = json.loads(document)["items"]
        self.replicas = self.led_to = deployment["spec"]["replicas"]
        self.made.append(self.replicas)

    def admin_conf(self) -> str:
        credentials = self.authority.credentials()

        def data(text: str) -> str:
            return base64.b64encode(text.encode()).decode()

        cluster = {"certificate-authority-data": data(credentials.authority)}
        user = {
            "client-certificate-data": data(credentials.certificate),
            "client-key-data": data(credentials.key),
        }
        return json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": user}]})


@dataclass
class SimulatedHost:
    """The Transport of one host."""

    host: str
    cluster: Cluster

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        if self.cluster.power.is_off(self.host):
            raise ConnectError(self.host, "no answer")
        if "kubectl" in script and "apply" in script:
            self.cluster.deploy(stdin)
            return Completed(0, b"", "")
        return Completed(0, self._answer(script).encode(), "")

    def _answer(self, script: str) -> str:
        if "admin.conf" in script and script.startswith("cat"):
            return self.cluster.admin_conf()
        if script.startswith("journalctl"):
            return self.cluster.logs.get(self.host, "")
        if "boot_id" in script:
            return f"boot\n{self.cluster.boots[self.host]}\n"
        if "kube-proxy" in script:
            return "".join(f"10.1.0.{n + 1}:80\n" for n in range(self.cluster.led_to))
        if "kubepods" in script:
            return f"7 {self.cluster.first_process} {WEB}\n" if self.host == "m1" else ""
        alive = [name for name in MEMBERS if not self.cluster.power.is_off(name)]
        addresses = [f"https://127.0.0.{11 + MEMBERS.index(name)}:2379" for name in alive]
        if "endpoint status" in script:
            # Member ids are 17, 18, 19; the last of those that live leads.
            ids = [17 + MEMBERS.index(name) for name in alive]
            head = {"revision": self.cluster.store.revision}
            return json.dumps(
                [
                    {
                        "Endpoint": a,
                        "Status": {"header": {**head, "member_id": i}, "leader": ids[-1]},
                    }
                    for a, i in zip(addresses, ids, strict=True)
                ]
            )
        if "endpoint hashkv" in script:
            answer = {"hash": 5, "compact_revision": 1}
            return json.dumps([{"Endpoint": a, "HashKV": answer} for a in addresses])
        raise ConnectionLost(self.host, f"the simulation does not know {script!r}")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise ConnectionLost(self.host, "the simulation takes no files")

    async def close(self) -> None:
        """Nothing is open."""
