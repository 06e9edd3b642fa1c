"""Downloads over real sockets, with the faults that networks and mirrors have."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kanae.artifacts.progress import SilentTask
from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http, Limits, published_digest
from kanae.errors import ArtifactError, ArtifactMismatch

if TYPE_CHECKING:
    from conftest import Site

BODY = os.urandom(300_000)
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Counting(SilentTask):
    def __init__(self) -> None:
        self.done = self.whole = 0

    def total(self, amount: int) -> None:
        self.whole = amount

    def advance(self, amount: int) -> None:
        self.done += amount


@pytest.fixture
def served(site: Site) -> Site:
    site.files["/f"] = BODY
    return site


def fetch(http: Http, site: Site, store: Store, digest: str = DIGEST) -> Counting:
    task = Counting()
    path = http.download_verified(f"{site.url}/f", digest, store, task)
    assert path.read_bytes() == BODY
    return task


def test_a_file_arrives_and_progress_counts_all_of_it(
    http: Http, served: Site, store: Store
) -> None:
    task = fetch(http, served, store)
    assert task.done == task.whole == len(BODY)


def test_a_truncated_body_is_resumed_where_it_stopped(
    http: Http, served: Site, store: Store
) -> None:
    served.fault("/f", cut=100_000)
    task = fetch(http, served, store)
    assert served.asked("/f")[1].headers["range"] == "bytes=100000-"
    assert task.done == len(BODY)


def test_a_dropped_connection_is_tried_again(http: Http, served: Site, store: Store) -> None:
    served.fault("/f", drop=True)
    fetch(http, served, store)
    assert len(served.asked("/f")) == 2


def test_a_stalled_connection_is_dropped_and_resumed(
    http: Http, served: Site, store: Store
) -> None:
    served.fault("/f", cut=50_000, stall=True)
    fetch(http, served, store)
    assert served.asked("/f")[1].headers["range"] == "bytes=50000-"


def test_a_trickling_connection_is_dropped_and_resumed(
    http: Http, served: Site, store: Store
) -> None:
    served.fault("/f", trickle=True)
    fetch(http, served, store)
    assert "range" in served.asked("/f")[1].headers


def test_a_server_that_ignores_ranges_sends_all_of_it_again(
    http: Http, served: Site, store: Store
) -> None:
    served.fault("/f", cut=100_000)
    served.fault("/f", ignore_range=True)
    task = fetch(http, served, store)
    assert task.done == len(BODY)


def test_a_redirect_is_followed(http: Http, served: Site, store: Store) -> None:
    served.files["/elsewhere"] = BODY
    served.fault("/f", redirect="/elsewhere")
    fetch(http, served, store)
    assert served.asked("/elsewhere")


def test_an_endless_redirect_is_an_error(http: Http, served: Site, store: Store) -> None:
    for _ in range(100):
        served.fault("/f", redirect="/f")
    with pytest.raises(ArtifactError, match="redirect"):
        fetch(http, served, store)


def test_a_missing_file_is_an_error_at_once(http: Http, served: Site, store: Store) -> None:
    with pytest.raises(ArtifactError, match=r"/g: the server answers 404"):
        http.download_verified(f"{served.url}/g", DIGEST, store, SilentTask())
    assert len(served.asked("/g")) == 1


def test_an_overloaded_server_is_asked_again(http: Http, served: Site, store: Store) -> None:
    served.fault("/f", status=503)
    served.fault("/f", status=429)
    fetch(http, served, store)
    assert len(served.asked("/f")) == 3


def test_a_server_that_stays_down_is_an_error_after_four_attempts(
    http: Http, served: Site, store: Store
) -> None:
    for _ in range(10):
        served.fault("/f", status=503)
    with pytest.raises(ArtifactError, match="503"):
        fetch(http, served, store)
    assert len(served.asked("/f")) == 4


def test_nobody_listening_is_an_error_that_names_the_url(store: Store, unused_port: int) -> None:
    http = Http(limits=Limits(pause=0.01))
    with pytest.raises(ArtifactError, match=f"127.0.0.1:{unused_port}/f cannot be fetched"):
        http.text(f"http://127.0.0.1:{unused_port}/f")
    http.close()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_wrong_checksum_is_a_mismatch_and_leaves_nothing(
    http: Http, served: Site, store: Store
) -> None:
    promised = "sha256:" + "0" * 64
    with pytest.raises(ArtifactMismatch, match="was promised"):
        fetch(http, served, store, promised)
    assert not list(store.partial.iterdir())
    assert not store.path(promised).exists()


def test_what_an_interrupted_run_left_is_gone_on_with(
    http: Http, served: Site, store: Store
) -> None:
    part(store).write_bytes(BODY[:1234])
    fetch(http, served, store)
    assert served.asked("/f")[0].headers["range"] == "bytes=1234-"


def test_a_complete_part_needs_no_second_transfer(http: Http, served: Site, store: Store) -> None:
    part(store).write_bytes(BODY)
    fetch(http, served, store)
    assert len(served.asked("/f")) == 1


def test_a_part_of_another_file_is_thrown_away_and_fetched_anew(
    http: Http, served: Site, store: Store
) -> None:
    part(store).write_bytes(b"x" * 1234)
    fetch(http, served, store)
    resumed, anew = served.asked("/f")
    assert resumed.headers["range"] == "bytes=1234-"
    assert "range" not in anew.headers


def test_a_part_longer_than_the_file_is_thrown_away(http: Http, served: Site, store: Store) -> None:
    part(store).write_bytes(BODY + b"more")
    fetch(http, served, store)
    assert served.asked("/f")[0].headers["range"] == f"bytes={len(BODY) + 4}-"


def part(store: Store) -> Path:
    return store.partial / f"download-{DIGEST.removeprefix('sha256:')}"


def test_a_deadline_ends_a_transfer_that_always_moves(served: Site, store: Store) -> None:
    http = Http(limits=Limits(idle=5, window=60, pause=0.01, deadline=0.2))
    served.fault("/f", trickle=True)
    with pytest.raises(ArtifactError, match="not complete after"):
        fetch(http, served, store)
    http.close()


def test_a_mirror_takes_the_place_of_a_host_and_keeps_the_path(site: Site) -> None:
    site.files["/k8s/release/v1/kubeadm"] = b"yes"
    http = Http({"dl.k8s.io": f"{site.url}/k8s/"})
    assert http.text("https://dl.k8s.io/release/v1/kubeadm") == "yes"
    assert http.location("https://github.com/x") == "https://github.com/x"
    http.close()


def test_proxy_variables_are_honoured(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    site.files["http://mirror.test/f"] = b"through the proxy"
    http = Http()
    assert http.text("http://mirror.test/f") == "through the proxy"
    http.close()


A, B = "a" * 64, "B" * 64


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (A, A),
        (f"{A}\n", A),
        (f"{A}  file.tgz\n", A),
        (f"{A} *file.tgz\n", A),
        (f"{B}  other.tgz\n{A}  ./dir/file.tgz\n", A),
        (f"{B}  file.tgz\n", B.lower()),
    ],
)
def test_checksum_files_of_all_upstreams_are_read(text: str, digest: str) -> None:
    assert published_digest(text, "file.tgz", "where") == f"sha256:{digest}"


@pytest.mark.parametrize("text", ["", "<html>", f"{A}  other.tgz\n", A[:-1]])
def test_a_checksum_file_without_the_file_is_an_error(text: str) -> None:
    with pytest.raises(ArtifactError, match=r"where holds no sha256 of file\.tgz"):
        published_digest(text, "file.tgz", "where")


@pytest.mark.parametrize("url", ["https://[::1/token", "https://host:port/", "https://a\x00b/"])
def test_what_a_server_names_and_is_no_url_is_an_error(http: Http, url: str, store: Store) -> None:
    with pytest.raises(ArtifactError, match="is no URL"):
        http.get(url)
    with pytest.raises(ArtifactError, match="is no URL"):
        http.download_verified(url, DIGEST, store, Counting())
