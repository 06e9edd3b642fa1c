"""obtain and lookup, with real sources against a local server with upstream's layout."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from kanae.artifacts import catalogue, fetch, sources
from kanae.artifacts.catalogue import Item
from kanae.artifacts.model import Kind
from kanae.artifacts.progress import Progress, Silent
from kanae.artifacts.sources import Choice
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import entry_for, item_key
from kanae.errors import ArtifactError, ArtifactMismatch, UsageError
from kanae.spec.models import ArtifactSource

if TYPE_CHECKING:
    from conftest import Site

RELEASE = catalogue.load().release("v1.37.2")
ETCD = "/etcd-io/etcd/releases/download/v3.7.3"
TARBALL = "etcd-v3.7.3-linux-amd64.tar.gz"
KUBECTL = "/release/v1.37.2/bin/linux/amd64/kubectl"


def publish(site: Site) -> dict[str, str]:
    """kubectl as a plain file and etcd's tarball, each with its checksum file; the mirror map."""
    site.files[KUBECTL] = b"kubectl"
    site.files[KUBECTL + ".sha256"] = hashlib.sha256(b"kubectl").hexdigest().encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("etcd", "etcdctl", "etcdutl", "README.md"):
            info = tarfile.TarInfo(f"etcd-v3.7.3-linux-amd64/{name}")
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    data = packed.getvalue()
    site.files[f"{ETCD}/{TARBALL}"] = data
    sums = f"{'0' * 64}  other.tar.gz\n{hashlib.sha256(data).hexdigest()}  {TARBALL}\n"
    site.files[f"{ETCD}/SHA256SUMS"] = sums.encode()
    return {"dl.k8s.io": site.url, "github.com": site.url}


def mirrored(site: Site, store: Store, *names: str) -> dict[str, bytes]:
    found = fetch.obtain(
        [RELEASE], ["amd64"], ArtifactSource.MIRROR, store=store, mirror=publish(site), names=names
    )
    return {artifact.name: artifact.path.read_bytes() for artifact in found.values()}


def test_plain_files_and_members_of_tarballs_come_from_a_mirror(site: Site, store: Store) -> None:
    wanted = ("kubectl", "binary/etcd", "etcdctl")
    assert mirrored(site, store, *wanted) == {
        "kubectl": b"kubectl",
        "etcd": b"etcd",
        "etcdctl": b"etcdctl",
    }
    assert len(site.asked(f"{ETCD}/{TARBALL}")) == 1


def test_the_tarball_itself_is_not_kept(site: Site, store: Store) -> None:
    mirrored(site, store, "etcdctl")
    assert [blob.read_bytes() for blob in store.blobs.iterdir()] == [b"etcdctl"]


def test_what_is_cached_is_not_fetched_again(site: Site, store: Store) -> None:
    mirrored(site, store, "kubectl")
    site.requests.clear()
    mirrored(site, store, "kubectl")
    assert site.requests == []


def test_a_corrupted_binary_is_fetched_again(site: Site, store: Store) -> None:
    mirrored(site, store, "kubectl")
    digest = "sha256:" + hashlib.sha256(b"kubectl").hexdigest()
    store.path(digest).write_bytes(b"corrupted")
    assert mirrored(site, store, "kubectl") == {"kubectl": b"kubectl"}


def test_a_file_that_is_not_what_its_checksum_says_is_a_mismatch(site: Site, store: Store) -> None:
    mirror = publish(site)
    site.files[KUBECTL] = b"evil"
    with pytest.raises(ArtifactMismatch):
        fetch.obtain(
            [RELEASE], ["amd64"], ArtifactSource.MIRROR, store=store, mirror=mirror,
            names=["kubectl"],
        )  # fmt: skip
    assert list(store.blobs.iterdir()) == []


def test_lookup_gives_only_what_is_there_and_asks_nobody(site: Site, store: Store) -> None:
    mirrored(site, store, "kubectl")
    site.requests.clear()
    found = fetch.lookup(
        [RELEASE], ["amd64"], ArtifactSource.MIRROR, store=store, mirror=publish(site),
        names=["kubectl", "etcdctl"],
    )  # fmt: skip
    assert [artifact.name for artifact in found.values()] == ["kubectl"]
    assert site.requests == []


def test_auto_takes_a_mirror_that_answers(site: Site, store: Store) -> None:
    told = Silent()
    found = fetch.obtain(
        [RELEASE], ["amd64"], ArtifactSource.AUTO, store=store, mirror=publish(site),
        names=["kubectl"], progress=told,
    )  # fmt: skip
    assert found.binary("kubectl").path.read_bytes() == b"kubectl"
    assert told.lines == ["source mirror: it answers"]


def test_auto_takes_build_when_upstream_does_not_answer_and_says_why(
    site: Site, store: Store
) -> None:
    items = fetch.select([RELEASE], ["amd64"], ["kubectl"])
    choice = sources.choose(
        ArtifactSource.AUTO, [RELEASE], items, store, mirror={"dl.k8s.io": site.url}
    )
    assert choice.supplier.label == "build"
    assert "404" in choice.reason


def test_auto_takes_what_is_cached_without_asking(site: Site, store: Store) -> None:
    mirrored(site, store, "kubectl")
    site.requests.clear()
    items = fetch.select([RELEASE], ["amd64"], ["kubectl"])
    choice = sources.choose(ArtifactSource.AUTO, [RELEASE], items, store, mirror=publish(site))
    assert choice.supplier.label == "mirror"
    assert "in the cache" in choice.reason
    assert site.requests == []


def test_source_mirror_without_urls_is_a_usage_error(store: Store) -> None:
    with pytest.raises(UsageError, match="needs base URLs"):
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.MIRROR, store=store)


def test_an_unknown_name_is_an_error(store: Store) -> None:
    with pytest.raises(ArtifactError, match="has no nginx"):
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.BUILD, store=store, names=["nginx"])


def test_optional_items_come_only_by_name() -> None:
    everything = fetch.select([RELEASE], ["amd64"], None)
    assert "weave-kube" not in {item.name for item in everything}
    assert fetch.select([RELEASE], ["amd64"], ["weave-kube"])[0].reference.startswith("docker.io/")


def test_a_name_can_say_its_kind() -> None:
    both = fetch.select([RELEASE], ["amd64"], ["etcd"])
    assert [item.kind for item in both] == [Kind.BINARY, Kind.IMAGE]
    assert len(fetch.select([RELEASE], ["amd64", "arm64"], ["image/etcd"])) == 2


class Counting:
    """A source that makes each item out of its name and counts how often."""

    label = "counting"
    parallel = 2

    def __init__(self) -> None:
        self.made: list[str] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.damaged = False

    def key(self, item: Item) -> str:
        return item_key(self.label, item)

    def groups(self, items: Sequence[Item]) -> list[list[Item]]:
        return [[item] for item in items]

    def close(self) -> None:
        pass

    def supply(self, items: Sequence[Item], store: Store, progress: Progress) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        for item in items:
            self.made.append(item.name)
            data = f"{item.name} {item.version}".encode()
            digest, size = store.add_bytes(data), len(data)
            store.put(self.key(item), entry_for(item, "c", item.version, digest, size, (digest,)))
            if self.damaged:
                store.path(digest).write_bytes(b"x")


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    source = Counting()

    def chosen(*_args: object, **_named: object) -> Choice:
        return Choice(source)

    monkeypatch.setattr(fetch, "choose", chosen)
    return source


def test_two_who_want_the_same_make_it_once_and_the_second_says_that_it_waits(
    counting: Counting, store: Store
) -> None:
    told = Silent()
    waits = threading.Event()
    told.say = lambda line: waits.set() if "waiting for kubectl" in line else None  # type: ignore[method-assign]
    counting.go_on.clear()

    def obtain(progress: Progress) -> None:
        fetch.obtain(
            [RELEASE], ["amd64"], ArtifactSource.BUILD, store=store, names=["kubectl"],
            progress=progress,
        )  # fmt: skip

    first = threading.Thread(target=obtain, args=(Silent(),))
    first.start()
    assert counting.begun.wait(30)
    second = threading.Thread(target=obtain, args=(told,))
    second.start()
    assert waits.wait(30)
    counting.go_on.set()
    first.join(30)
    second.join(30)
    assert counting.made == ["kubectl"]


def test_only_what_is_missing_is_made(counting: Counting, store: Store) -> None:
    for names in (["kubectl"], ["kubectl", "kubeadm"]):
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.BUILD, store=store, names=names)
    assert counting.made == ["kubectl", "kubeadm"]


def test_a_disk_that_damages_what_is_written_is_an_error(counting: Counting, store: Store) -> None:
    counting.damaged = True
    with pytest.raises(ArtifactError, match="gone or damaged again"):
        fetch.obtain([RELEASE], ["amd64"], ArtifactSource.BUILD, store=store, names=["kubectl"])
