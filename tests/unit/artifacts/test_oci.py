"""Layers, manifests and archives: valid OCI and the same bytes for the same input."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from kanae.artifacts import oci
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.oci import Layer, Member
from kanae.artifacts.store import Store
from kanae.errors import ArtifactError

MEMBERS = [
    Member("usr/bin/tool", 0o755, data=b"\x7fELF tool"),
    Member("usr", 0o755, directory=True),
    Member("bin", link="usr/bin"),
    Member("usr/bin", 0o755, directory=True),
    Member("tmp", 0o1777, directory=True),
]


def plain(store: Store, layer: Layer) -> bytes:
    unpack = ["zstd", "-dqc", str(store.path(layer.digest))]
    return subprocess.run(unpack, capture_output=True, check=True).stdout


def image(store: Store, name: str, *layers: Layer) -> Artifact:
    made = oci.add_image(store, layers, arch="amd64", entrypoint=["/tool"], user="1:1")
    reference = f"registry.example/{name}:v1"
    return Artifact(
        name, "v1", "amd64", Kind.IMAGE, made.digest, made.size, store.path(made.digest), reference
    )


def test_a_layer_holds_its_entries_sorted_owned_by_root_at_time_zero(store: Store) -> None:
    layer = oci.add_layer(store, MEMBERS)
    data = plain(store, layer)
    assert "sha256:" + hashlib.sha256(data).hexdigest() == layer.diff_id
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
        assert [i.name for i in infos] == ["bin", "tmp", "usr", "usr/bin", "usr/bin/tool"]
        assert {(i.uid, i.gid, i.mtime) for i in infos} == {(0, 0, 0)}
        assert infos[0].linkname == "usr/bin"
        assert infos[1].mode == 0o1777
        assert infos[4].mode == 0o755


def test_the_same_entries_in_any_order_give_the_same_layer(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    assert oci.add_layer(store, MEMBERS) == oci.add_layer(other, reversed(MEMBERS))


def test_a_layer_from_a_file_equals_one_from_the_same_bytes(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_bytes(b"\x7fELF tool")
    from_file = oci.add_layer(store, [Member("usr/bin/tool", 0o755, file=file)])
    assert from_file == oci.add_layer(store, [MEMBERS[0]])


def test_an_image_names_its_layers_and_how_it_starts(store: Store) -> None:
    layers = [oci.add_layer(store, MEMBERS), oci.add_layer(store, MEMBERS[:1])]
    made = oci.add_image(store, layers, arch="arm64", entrypoint=["/tool", "-v"])
    manifest = json.loads(store.path(made.digest).read_bytes())
    config = json.loads(store.path(manifest["config"]["digest"]).read_bytes())
    assert [la["digest"] for la in manifest["layers"]] == [la.digest for la in layers]
    assert config["rootfs"]["diff_ids"] == [la.diff_id for la in layers]
    assert config["architecture"] == "arm64"
    assert config["config"]["Entrypoint"] == ["/tool", "-v"]
    assert made.blobs[0] == made.digest
    assert made.size == sum(store.path(digest).stat().st_size for digest in made.blobs)


def test_an_archive_holds_shared_layers_once_and_names_every_image(
    store: Store, tmp_path: Path
) -> None:
    base = oci.add_layer(store, MEMBERS)
    images = [
        image(store, name, base, oci.add_layer(store, [Member(name, data=name.encode())]))
        for name in ("two", "one")
    ]
    file = tmp_path / "archive.tar"
    digest = oci.write_archive(images, file)
    assert digest == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    with tarfile.open(file) as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
    assert names[:2] == ["oci-layout", "index.json"]
    assert len(names) == len(set(names)) == 2 + 2 * 2 + 3
    assert [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]] == [
        "registry.example/one:v1",
        "registry.example/two:v1",
    ]


def test_an_archive_does_not_depend_on_the_order_of_its_images(
    store: Store, tmp_path: Path
) -> None:
    images = [image(store, name, oci.add_layer(store, MEMBERS)) for name in ("one", "two")]
    first = oci.write_archive(images, tmp_path / "a")
    assert first == oci.write_archive(images[::-1], tmp_path / "b")


def test_a_binary_cannot_be_archived_as_an_image(store: Store, tmp_path: Path) -> None:
    digest = store.add_bytes(b"x")
    binary = Artifact("x", "1", "amd64", Kind.BINARY, digest, 1, store.path(digest))
    with pytest.raises(ArtifactError, match="not an image"):
        oci.write_archive([binary], tmp_path / "a")


def test_parents_are_the_folders_above() -> None:
    assert oci.parents("a/b/c") == ("a", "a/b")
    assert oci.parents("a") == ()
