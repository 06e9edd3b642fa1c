"""What the probers' own HTTP client sends, gets and fails with. Values only, besides TLS' own.

Nothing of it is shared with the code that a drill judges (SSH, kubectl). `pipelining` speaks
HTTP/1.1, `multiplexing` HTTP/2. No redirects, no retries, no session resumption, no pooling:
whoever calls decides on connections.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kanae.drills.records import Error

BODY = 256 << 20  # bytes of an answer at most
# What may be chosen on a connection, best first (ALPN).
HTTP_1 = ("http/1.1",)
HTTP_2 = ("h2", "http/1.1")


class RequestFailed(Exception):
    """Why a request got no whole answer. error: its kind, as in the history."""

    def __init__(self, error: Error, detail: str) -> None:
        super().__init__(detail)
        self.error: Error = error
        self.detail = detail


class StatusFailed(RequestFailed):
    """An answer whose status is not the wanted one."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("http", f"status {status}: {detail}"[:300])
        self.status = status


class NotProcessed(RequestFailed):
    """The server has not begun this request, which may safely be sent again.

    spaced: a second time only after a while, as a server that goes on like this must not be
    flooded.
    """

    def __init__(self, detail: str, *, spaced: bool) -> None:
        super().__init__("eof", detail)
        self.spaced = spaced


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM texts. authority: the certificates that may sign a server's."""

    authority: str
    certificate: str
    key: str = field(repr=False)


def tls_context(credentials: Credentials, protocols: Sequence[str] = HTTP_1) -> ssl.SSLContext:
    """Full verification of the server; the key never touches a disk."""
    context = ssl.create_default_context(cadata=credentials.authority)
    context.set_alpn_protocols(list(protocols))
    # load_cert_chain only takes paths: an anonymous file in memory has one.
    descriptor = os.memfd_create("kanae-drill", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{credentials.certificate}\n{credentials.key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go. name: `endpoint` or a host; server_name: what the certificate must say."""

    name: str
    address: str
    port: int
    server_name: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is asked. host: name and port, as a Host header says them. body: JSON, or nothing."""

    method: str
    path: str
    host: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def classify(error: BaseException) -> tuple[Error, str]:
    """An exception of asyncio, ssl or the socket layer as a kind of error and its text."""
    detail = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, RequestFailed):
        return error.error, error.detail
    if isinstance(error, ConnectionRefusedError):
        return "refused", detail
    if isinstance(error, asyncio.IncompleteReadError | EOFError | ssl.SSLEOFError):
        return "eof", detail
    if isinstance(error, ConnectionError):
        return "reset", detail
    if isinstance(error, TimeoutError):
        return "timeout", detail
    if isinstance(error, ssl.SSLError):
        return "tls", detail
    if isinstance(error, OSError):
        return "unreachable", detail
    return "malformed", detail
