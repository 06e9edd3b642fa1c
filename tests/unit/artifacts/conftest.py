"""A local HTTP server with the layout of release hosts and registries, and faults on demand."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http, Limits


@dataclass
class Fault:
    """What happens to one request instead of a plain answer.

    status: answer with it. redirect: answer 302 to it. drop: close without an answer.
    cut: send only so many bytes of the body, then close. stall: send `cut` bytes, then nothing.
    trickle: send the body byte by byte, slowly. ignore_range: answer 200 with everything.
    """

    status: int = 0
    redirect: str = ""
    drop: bool = False
    cut: int | None = None
    stall: bool = False
    trickle: bool = False
    ignore_range: bool = False


@dataclass
class Request:
    path: str
    headers: dict[str, str]


@dataclass
class Site:
    """files: path -> body. faults: path -> what to do with the next requests, in order."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    headers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    faults: dict[str, list[Fault]] = field(default_factory=dict[str, list[Fault]])
    requests: list[Request] = field(default_factory=list[Request])
    token: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def fault(self, path: str, **kind: Any) -> None:
        """One more request for this path that goes wrong, see `Fault`."""
        self.faults.setdefault(path, []).append(Fault(**kind))

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class says so
        pass

    def do_GET(self) -> None:
        site, path = self.site, self.path
        site.requests.append(Request(path, {k.lower(): v for k, v in self.headers.items()}))
        faults = site.faults.get(path, [])
        fault = faults.pop(0) if faults else Fault()
        if fault.drop:
            self.close_connection = True
        elif fault.redirect:
            self._head(302, 0, {"Location": fault.redirect})
        elif fault.status:
            self._head(fault.status, 0, {})
        elif path.startswith("/v2/") and site.token and not self._authorized():
            challenge = f'Bearer realm="{site.url}/token",service="here",scope="repository:a:pull"'
            self._head(401, 0, {"WWW-Authenticate": challenge})
        elif path.startswith("/token?"):
            self._answer(f'{{"token": "{site.token}"}}'.encode(), fault)
        elif path in site.files:
            self._answer(site.files[path], fault)
        else:
            self._head(404, 0, {})

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.site.token}"

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, body: bytes, fault: Fault) -> None:
        headers = dict(self.site.headers.get(self.path, {}))
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status = 200
        if asked and not fault.ignore_range:
            start = int(asked[1])
            if start >= len(body):
                self._head(416, 0, {"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self._head(status, len(body), headers)
        with contextlib.suppress(OSError):
            self._body(body, fault)

    def _body(self, body: bytes, fault: Fault) -> None:
        if fault.trickle:
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.site.over.wait(0.01):
                    break
        elif fault.cut is not None:
            self.wfile.write(body[: fault.cut])
            self.wfile.flush()
            if fault.stall:
                self.site.over.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on 127.0.0.1 for the length of a test."""
    here = Site()
    handler = type("Handler", (_Handler,), {"site": here})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield here
    here.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def http() -> Iterator[Http]:
    """A client that gives up soon: half a second without a byte is a dropped connection."""
    client = Http(limits=Limits(connect=2, idle=0.5, window=0.2, pause=0.01, deadline=20))
    yield client
    client.close()
