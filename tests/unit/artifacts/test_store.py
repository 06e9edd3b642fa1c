"""The store: content-addressed, verified on use, shared by concurrent processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanae.artifacts import catalogue, oci
from kanae.artifacts import store as store_module
from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.entry import Entry
from kanae.artifacts.model import Kind
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store, hash_file
from kanae.artifacts.supplier import entry_for, held
from kanae.errors import ArtifactError

RELEASE = catalogue.load().release("v1.37.2")


def entry(store: Store, data: bytes = b"program", name: str = "kubeadm") -> Entry:
    digest = store.add_bytes(data)
    return Entry("binary", name, "v1", "amd64", "build", digest, len(data), (digest,))


def test_what_was_put_is_got_with_its_file(store: Store) -> None:
    store.put("key", entry(store))
    artifact = store.get("key")
    assert artifact is not None
    assert artifact.path.read_bytes() == b"program"
    assert artifact.digest == hash_file(artifact.path)


def test_an_unknown_recipe_gives_nothing(store: Store) -> None:
    assert store.get("key") is None


def test_a_changed_blob_is_noticed_and_removed(store: Store) -> None:
    made = entry(store)
    store.put("key", made)
    store.path(made.digest).write_bytes(b"changed")
    assert store.get("key") is None
    assert not store.path(made.digest).exists()


def test_an_unchanged_blob_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("key", entry(store))
    monkeypatch.setattr(store_module, "hash_file", lambda _file: pytest.fail("read in full"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType] a stand-in that is never called
    assert store.get("key") is not None


def test_a_blob_that_was_only_touched_is_read_once_and_kept(store: Store) -> None:
    made = entry(store)
    store.put("key", made)
    os.utime(store.path(made.digest), ns=(1, 1))
    assert store.get("key") is not None
    assert store.path(made.digest).exists()


def test_damage_that_keeps_size_and_times_is_found_by_a_full_reading(store: Store) -> None:
    made = entry(store)
    blob = store.path(made.digest)
    times = blob.stat()
    with blob.open("r+b") as stream:
        stream.write(b"P")
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.verified(made.digest)
    assert store.verify_all(Silent()) == (1, [made.digest])
    assert not blob.exists()


def test_a_damaged_index_line_counts_as_none(store: Store) -> None:
    store.put("key", entry(store))
    (store.root / "index" / "key.json").write_text("{")
    assert store.get("key") is None
    assert store.entries() == {}


def test_whatever_bit_flips_in_an_index_line_it_tells_nothing_wrong(store: Store) -> None:
    item = RELEASE.item(Kind.IMAGE, "pause", "amd64")
    layer = oci.add_layer(store, [oci.Member("pause", data=b"pause")])
    image = oci.add_image(store, [layer], arch="amd64", entrypoint=["/pause"])
    source = BuildSupplier()
    key = source.key(item)
    store.put(key, entry_for(item, "build", item.version, image.digest, image.size, image.blobs))
    sound = held(source, item, store)
    assert sound is not None
    line = store.root / "index" / f"{key}.json"
    data = line.read_bytes()
    lost = 0
    for at in range(len(data)):
        line.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        found = held(source, item, store)
        assert found in (None, sound)
        lost += found is None
    assert lost > len(data) / 2


def test_a_damaged_note_of_an_earlier_reading_makes_the_blob_be_read_again(store: Store) -> None:
    made = entry(store)
    note = store.root / "verified" / store.path(made.digest).name
    note.write_bytes(b"\xff" + note.read_bytes())
    assert store.verified(made.digest)
    assert b"\xff" not in note.read_bytes()


def test_an_index_line_needs_its_blobs(store: Store) -> None:
    made = entry(store)
    store.discard(made.digest)
    with pytest.raises(ArtifactError, match="not in the store"):
        store.put("key", made)


def test_a_file_moves_into_the_store_and_can_be_executed(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        file = tmp_path / "program"
        file.write_text("#!/bin/sh\nexit 3\n")
        digest, size = store.add_file(file, executable=True)
        assert size == 17
        assert not file.exists()
        assert os.access(store.path(digest), os.X_OK)


def test_a_plain_blob_becomes_executable_when_it_is_wanted_as_a_program(
    store: Store, tmp_path: Path
) -> None:
    digest = store.add_bytes(b"same bytes")
    file = tmp_path / "program"
    file.write_bytes(b"same bytes")
    store.add_file(file, executable=True)
    assert os.access(store.path(digest), os.X_OK)
    assert store.verified(digest)


def test_prune_keeps_what_named_recipes_need_and_removes_the_rest(store: Store) -> None:
    store.put("keep", entry(store, b"one"))
    store.put("drop", entry(store, b"three"))
    (store.partial / "left-over").write_bytes(b"12")
    count, size = store.prune(["keep"])
    assert (count, size) == (2, 7)
    assert store.get("keep") is not None
    assert store.get("drop") is None


SECOND_PROCESS = """
import sys
from pathlib import Path
from kanae.artifacts.store import Store
store = Store(Path(sys.argv[1]))
with store.locked(["key"], lambda: print("waits", flush=True)):
    print("made" if store.get("key") is None else "found", flush=True)
"""


def test_of_two_processes_the_second_waits_says_so_and_finds_it_made(store: Store) -> None:
    with store.locked(["key"], lambda: None):
        second = subprocess.Popen(
            [sys.executable, "-c", SECOND_PROCESS, str(store.root)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout is not None
        assert second.stdout.readline() == "waits\n"
        store.put("key", entry(store))
    assert second.communicate(timeout=30)[0] == "found\n"
    assert second.returncode == 0


def test_overlapping_locks_taken_in_any_order_do_not_block_each_other_for_ever(
    store: Store,
) -> None:
    def work(keys: list[str]) -> None:
        for _ in range(50):
            with store.locked(keys, lambda: None):
                pass

    threads = [threading.Thread(target=work, args=(k,)) for k in (["a", "b"], ["b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_prune_waits_until_nobody_fetches(store: Store) -> None:
    pruned = threading.Event()

    def prune() -> None:
        store.prune()
        pruned.set()

    with store.in_use():
        digest = store.add_bytes(b"not yet in the index")
        thread = threading.Thread(target=prune)
        thread.start()
        assert not pruned.wait(0.2)
        assert store.verified(digest)
    thread.join(30)
    assert pruned.is_set()


def test_what_killed_processes_left_is_swept_but_downloads_are_kept(store: Store) -> None:
    (store.partial / "tmpdir").mkdir()
    (store.partial / "tmpfile").touch()
    (store.partial / "download-abc").touch()
    with store.in_use():
        store.sweep()
        assert len(list(store.partial.iterdir())) == 3
    store.sweep()
    assert [left.name for left in store.partial.iterdir()] == ["download-abc"]


@settings(max_examples=30, deadline=None)
@given(blobs=st.lists(st.binary(max_size=50), max_size=8), bad=st.integers(0, 7))
def test_whatever_is_stored_only_what_is_damaged_goes(
    tmp_path_factory: pytest.TempPathFactory, blobs: list[bytes], bad: int
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    digests = [store.add_bytes(blob) for blob in blobs]
    if bad < len(digests):
        store.path(digests[bad]).write_bytes(b"damaged" * 10)
        gone = digests[bad]
        assert [d for d in set(digests) if not store.verified(d)] == [gone]
    else:
        assert all(store.verified(digest) for digest in digests)
