"""A network of its own with API servers that can be slow, silent, unready or dead, and clients."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import datetime
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def command(*arguments: str, data: str | None = None) -> None:
    subprocess.run(arguments, input=data, text=True, check=True)


@contextlib.contextmanager
def own_network(*addresses: str) -> Generator[None]:
    """Everything that this thread starts is in a network namespace with these addresses."""
    with Path("/proc/thread-self/ns/net").open() as before:
        if _LIBC.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            command("ip", "link", "set", "lo", "up")
            for address in addresses:
                command("ip", "address", "add", f"{address}/32", "dev", "lo")
            yield
        finally:
            _enter(before)


@contextlib.contextmanager
def inside(network: IO[str]) -> Generator[None]:
    """As in `own_network`, in one that is there; what is opened in it stays there."""
    with Path("/proc/thread-self/ns/net").open() as before:
        _enter(network)
        try:
            yield
        finally:
            _enter(before)


def _enter(network: IO[str]) -> None:
    if _LIBC.setns(network.fileno(), _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def unplug(address: str) -> None:
    """Its packets are dropped both ways, as of a host without power."""
    chain = "type filter hook input priority 0;"
    drop = f"ip saddr {address} drop; ip daddr {address} drop;"
    command("nft", "-f", "-", data=f"table inet dead {{ chain input {{ {chain} {drop} }}; }}")


def certificate(folder: Path) -> Path:
    """Of nobody in particular, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


class ApiServer:
    """Answers /readyz with `readyz`, and everything else with its name and the status `others`.

    handshake, answer: seconds until it begins a TLS handshake, and until it answers a request. What
    waits goes on at once when the value is lowered.
    """

    def __init__(self, name: str, address: str, pem: Path) -> None:
        self.name, self.address = name, address
        self.readyz = self.others = 200
        self._delays = {"handshake": 0.0, "answer": 0.0}
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._listener = socket.create_server((address, 6443), backlog=512)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def slow(self, *, handshake: float = 0.0, answer: float = 0.0) -> None:
        with self._changed:
            self._delays = {"handshake": handshake, "answer": answer}
            self._changed.notify_all()

    def stop(self) -> None:
        """As a process that is killed: its port is refused, its connections end."""
        self.slow()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

        def ended() -> bool:
            waiting = [thread for thread in self._threads if thread.is_alive()]
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            if waiting:
                waiting[0].join(0.1)
            return not waiting

        took(ended, 30)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _wait(self, what: str) -> None:
        began = time.monotonic()
        with self._changed:
            while (left := began + self._delays[what] - time.monotonic()) > 0:
                self._changed.wait(left)

    def _accept(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            with contextlib.suppress(OSError):
                self._wait("handshake")
                # A check of the kernel only has gone by then, which wrap_socket does not forgive.
                connection.recv(1, socket.MSG_PEEK)
                secured = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                self._open.add(secured)
                with secured:
                    secured.do_handshake()
                    self._answer(secured)
        finally:
            connection.close()

    def _answer(self, connection: ssl.SSLSocket) -> None:
        while request := connection.recv(4096):
            self._wait("answer")
            ready = request.split()[1] == b"/readyz"
            status, body = (self.readyz, "[-]etcd failed") if ready else (self.others, self.name)
            head = f"HTTP/1.1 {status} it\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            connection.sendall(head.encode())
            if b"Connection: close" in request:
                return


class Session:
    """One connection through the balancer. server: the name of the server at its end."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        try:
            self._socket = context.wrap_socket(raw)
        except OSError:
            raw.close()
            raise
        try:
            self.server = self.ask()
        except OSError:
            self.close()
            raise

    def ask(self) -> str:
        self._socket.sendall(b"GET /who HTTP/1.1\r\nHost: kanae\r\n\r\n")
        answer = self._socket.recv(4096).decode()
        if not answer:
            raise ConnectionError("closed")
        return answer.rpartition("\r\n")[2]

    def is_cut(self) -> bool:
        """Whether it has ended, seen without sending anything."""
        readable, _, _ = select.select([self._socket], [], [], 0)
        return bool(readable)

    def close(self) -> None:
        self._socket.close()


class Clients:
    """New connections, some a second, until it ends: names of servers, or the error."""

    def __init__(self, port: int, period: float = 0.05) -> None:
        self.results: list[tuple[float, str]] = []
        self._port, self._period = port, period
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._timer = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Clients:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._timer.join()
        for thread in self._threads:
            thread.join()

    def since(self, began: float) -> list[str]:
        return [result for at, result in self.results if at >= began]

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            self._threads.append(threading.Thread(target=self._once, daemon=True))
            self._threads[-1].start()

    def _once(self) -> None:
        began = time.monotonic()
        try:
            session = Session(self._port)
        except OSError as error:
            self.results.append((began, f"error: {error}"))
            return
        self.results.append((began, session.server))
        session.close()


def took(condition: Callable[[], bool], most: float) -> float:
    """Seconds until it holds. Raises TimeoutError."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > most:
            raise TimeoutError(f"not within {most} s")
        threading.Event().wait(0.005)
    return time.monotonic() - began


def statistics(path: Path) -> dict[str, str]:
    """backend/server -> its status, as haproxy tells it."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(path))
        asked.sendall(b"show stat\n")
        answer = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
    rows = csv.DictReader(answer.removeprefix("# ").splitlines())
    return {f"{row['pxname']}/{row['svname']}": row["status"] for row in rows}


@contextlib.contextmanager
def heard(
    argv: Sequence[str | Path],
    listen: Callable[[Iterable[str]], None],
    environment: Mapping[str, str] | None = None,
) -> Generator[None]:
    """A program runs, and somebody listens to its lines."""
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        listener = threading.Thread(target=listen, args=(process.stdout,), daemon=True)
        listener.start()
        try:
            yield
        finally:
            process.terminate()
            # A question that is still being asked holds the pipe for a second or two.
            listener.join(30)
            assert not listener.is_alive()


@contextlib.contextmanager
def running(program: str, config: Path) -> Generator[subprocess.Popen[bytes]]:
    with (config.parent / "log").open("wb") as log:
        process = subprocess.Popen([program, "-f", str(config)], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
