"""Files over HTTP: mirrors, redirects, resumed downloads, and checks that a transfer moves on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kanae.artifacts.progress import Task
from kanae.artifacts.store import Store, hash_file
from kanae.errors import ArtifactError, ArtifactMismatch

if TYPE_CHECKING:
    import httpx2


@dataclass(frozen=True, slots=True)
class Limits:
    """When a transfer counts as failed; seconds, and bytes per second.

    idle: no byte for so long is a dropped connection. window, least_rate: a transfer slower than
    this over a window is dropped and resumed. attempts: in a row without any new byte.
    deadline: for one file, all attempts together.
    """

    connect: float = 10.0
    idle: float = 20.0
    window: float = 30.0
    least_rate: int = 2048
    attempts: int = 4
    pause: float = 1.0
    deadline: float = 3600.0


class _Broken(Exception):
    """A transfer ended early in a way that may go better when tried again."""


class Http:
    """A client that follows redirects and honours proxy variables. Safe for several threads.

    mirror: upstream host name -> base URL that takes its place; paths below stay the same.
    """

    def __init__(
        self, mirror: Mapping[str, str] | None = None, limits: Limits | None = None
    ) -> None:
        import httpx2  # slow to import, and most runs find all they need in the store

        self.mirror = dict(mirror or {})
        self.limits = limits if limits is not None else Limits()
        timeout = httpx2.Timeout(self.limits.idle, connect=self.limits.connect)
        # identity: what is stored must be the file, not what a server made of it.
        self.client = httpx2.Client(
            follow_redirects=True, timeout=timeout, headers={"Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        self.client.close()

    def location(self, url: str) -> str:
        """Where an upstream URL is fetched from: itself, or the mirror of its host. ArtifactError
        for what is no URL: a server may have named it."""
        import httpx2

        try:
            httpx2.URL(url)
            parts = urlsplit(url)
        except (ValueError, httpx2.InvalidURL) as error:
            raise ArtifactError(f"{url!r} is no URL: {error}") from None
        base = self.mirror.get(parts.netloc)
        if base is None:
            return url
        query = f"?{parts.query}" if parts.query else ""
        return f"{base.rstrip('/')}{parts.path}{query}"

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """A small answer of any status below 500, tried again when the connection breaks."""
        import httpx2

        where = self.location(url)
        failures: list[Exception] = []
        while True:
            try:
                answer = self.client.get(where, headers=dict(headers or {}))
                if not _passing(answer.status_code):
                    return answer
                failures.append(_Broken(f"the server answers {answer.status_code}"))
            except httpx2.RequestError as error:
                failures.append(error)
            self._pause(where, failures)

    def text(self, url: str) -> str:
        """A small text file. ArtifactError when it cannot be had."""
        answer = self.get(url)
        self.check(answer)
        return answer.text

    def check(self, answer: httpx2.Response) -> None:
        """ArtifactError for an answer that refuses."""
        if answer.status_code >= 400:
            raise ArtifactError(
                f"{answer.url}: the server answers {answer.status_code} {answer.reason_phrase}",
                remedy="check the version and, for a mirror, its base URL; or use another --source",
            )

    def download_verified(
        self,
        url: str,
        digest: str,
        store: Store,
        task: Task,
        headers: Mapping[str, str] | None = None,
    ) -> Path:
        """Fetch a blob into the store; returns its path there.

        What an interrupted run left is resumed. ArtifactMismatch when the bytes are not
        those of `digest`; the file is then removed.
        """
        part = store.partial / f"download-{digest.removeprefix('sha256:')}"
        resumed = part.exists()
        self.download(url, part, task, headers)
        found = hash_file(part)
        if found != digest and resumed:
            # The beginning may stem from another file: once more, all of it.
            part.unlink()
            self.download(url, part, task, headers)
            found = hash_file(part)
        if found != digest:
            part.unlink()
            raise ArtifactMismatch(
                f"{self.location(url)} has sha256 {found.removeprefix('sha256:')}, but "
                f"{digest.removeprefix('sha256:')} was promised",
                remedy="the mirror or something on the way is broken; use another --source",
            )
        store.add_file(part, known=digest)
        return store.path(digest)

    def download(
        self, url: str, part: Path, task: Task, headers: Mapping[str, str] | None = None
    ) -> None:
        """Fetch a file into `part`, resuming where an earlier attempt (or run) stopped."""
        import httpx2

        where = self.location(url)
        begin = time.monotonic()
        task.advance(_size(part))
        failures: list[Exception] = []
        while True:
            before = _size(part)
            try:
                self._transfer(where, part, task, dict(headers or {}), begin)
                return
            except (httpx2.RequestError, _Broken) as error:
                if _size(part) > before:
                    failures.clear()
                failures.append(error)
            if time.monotonic() - begin > self.limits.deadline:
                raise _unreachable(where, failures[-1])
            self._pause(where, failures)

    def _pause(self, where: str, failures: Sequence[Exception]) -> None:
        """Wait before the next attempt; ArtifactError when there were enough."""
        if len(failures) >= self.limits.attempts:
            raise _unreachable(where, failures[-1]) from failures[-1]
        time.sleep(self.limits.pause * len(failures))

    def _transfer(
        self, where: str, part: Path, task: Task, headers: dict[str, str], begin: float
    ) -> None:
        have = _size(part)
        if have:
            headers["Range"] = f"bytes={have}-"
        with self.client.stream("GET", where, headers=headers) as answer:
            if have and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                    return
                task.advance(-have)
                part.unlink()
                raise _Broken("the file changed on the server")
            if _passing(answer.status_code):
                raise _Broken(f"the server answers {answer.status_code}")
            self.check(answer)
            resumed = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise ArtifactError(f"{where}: the server answers another range than asked for")
            if not resumed and have:
                task.advance(-have)
                have = 0
            length = int(answer.headers.get("Content-Length", 0))
            if length:
                task.total(have + length)
            with part.open("ab" if resumed else "wb") as file, _rate(self.limits, begin) as moved:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    task.advance(len(chunk))
                    moved(len(chunk))
        size = part.stat().st_size
        if length and size < have + length:
            raise _Broken(f"the body ended after {size} of {have + length} bytes")


def _passing(status: int) -> bool:
    """Whether a status is worth another attempt."""
    return status >= 500 or status == HTTPStatus.TOO_MANY_REQUESTS


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


@contextmanager
def _rate(limits: Limits, begin: float) -> Generator[Callable[[int], None], None, None]:
    """Gives a function that is told of every chunk and raises when the transfer is too slow."""
    since, moved = time.monotonic(), 0

    def tell(size: int) -> None:
        nonlocal since, moved
        moved += size
        now = time.monotonic()
        if now - begin > limits.deadline:
            raise _Broken(f"not complete after {limits.deadline:.0f} s")
        if now - since >= limits.window:
            if moved < limits.least_rate * (now - since):
                raise _Broken(f"only {moved} bytes came in {now - since:.0f} s")
            since, moved = now, 0

    yield tell


def _unreachable(where: str, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"{where} cannot be fetched: {error or type(error).__name__}",
        remedy="check the network and the proxy variables, or use another --source",
    )


def published_digest(text: str, file_name: str, where: str) -> str:
    """sha256:<hex> of a file from the text of a checksum file.

    Either one bare digest, or lines of digest and file name as sha256sum writes them.
    Raises ArtifactError when the text has none for this file.
    """
    for line in text.splitlines():
        words = line.split()
        if words and re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
            name = words[1].lstrip("*").rpartition("/")[2] if len(words) > 1 else file_name
            if name == file_name:
                return f"sha256:{words[0].lower()}"
    raise ArtifactError(
        f"{where} holds no sha256 of {file_name}",
        remedy="check the mirror: it must hold upstream's checksum files as they are",
    )
