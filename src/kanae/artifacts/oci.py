"""OCI image layers, manifests and archives, the same bytes for the same input.

Sources: OCI image specification 1.1 (manifest, configuration, layout); the annotation by which
containerd's importer names an image is containerd's own, io.containerd.image.name.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from kanae.artifacts import atomic
from kanae.artifacts.digests import checked
from kanae.artifacts.model import Artifact, Kind
from kanae.artifacts.store import CHUNK, Store
from kanae.errors import ArtifactError, MachineUnfit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
INDEX_FILE = "index.json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
# Several threads give other bytes than one, but any number of threads gives the same.
ZSTD = ("zstd", "-q", "-3", "-T2", "-c")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a layer: exactly one of file, data, link or directory says what it is."""

    path: str  # without a leading slash
    mode: int = 0o644
    file: Path | None = None
    data: bytes | None = None
    link: str = ""
    directory: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A stored layer. diff_id: digest of its tar before compression."""

    digest: str
    size: int
    diff_id: str


def add_layer(store: Store, members: Iterable[Member]) -> Layer:
    """Write a layer into the store: entries sorted by path, owner root, time 0.

    Compressed by the zstd program, since for a control plane's images that made the archive 3.8
    times smaller and containerd's import more than twice as fast as plain tar (docs/artifacts.md).
    Raises ArtifactError when zstd fails, MachineUnfit when there is none.
    """
    with store.new_file() as part:
        with (
            part.open("wb") as packed,
            _zstd(ZSTD, stdin=subprocess.PIPE, stdout=packed) as zstd,
            cast(IO[bytes], zstd.stdin) as pipe,
        ):
            hashing = _Hashing(pipe)
            with tarfile.open(
                fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK
            ) as tar:
                for member in sorted(members, key=lambda m: m.path):
                    _add_member(tar, member)
        if zstd.returncode != 0:
            raise ArtifactError(f"zstd ended with status {zstd.returncode}")
        digest, size = store.add_file(part)
    return Layer(digest, size, hashing.digest)


def _zstd(
    command: Sequence[str], *, stdin: int | None = None, stdout: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=stdin, stdout=stdout)
    except FileNotFoundError as error:
        raise MachineUnfit(
            "there is no program zstd on this machine, which compresses image layers",
            remedy="install it (on Debian: apt-get install zstd)",
        ) from error


def diff_id(layer: Path) -> str:
    """The digest of a layer's tar before compression, by unpacking it; "" when zstd fails."""
    with _zstd(["zstd", "-dqc", str(layer)], stdout=subprocess.PIPE) as zstd:
        found = hashlib.file_digest(cast(io.BufferedReader, zstd.stdout), "sha256").hexdigest()
    return f"sha256:{found}" if zstd.returncode == 0 else ""


def _add_member(tar: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.path)
    info.mode = member.mode
    if member.directory:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif member.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, member.link, 0o777
        tar.addfile(info)
    elif member.data is not None:
        info.size = len(member.data)
        tar.addfile(info, io.BytesIO(member.data))
    elif member.file is not None:
        info.size = member.file.stat().st_size
        with member.file.open("rb") as stream:
            tar.addfile(info, stream)


def parents(path: str) -> tuple[str, ...]:
    """Folders above a path, outermost first: a/b/c gives a, a/b."""
    return tuple(str(p) for p in reversed(PurePosixPath(path).parents) if str(p) != ".")


@dataclass(frozen=True, slots=True)
class Image:
    """A stored image: manifest digest, bytes in all, and its blobs, manifest first."""

    digest: str
    size: int
    blobs: tuple[str, ...]


def add_image(
    store: Store,
    layers: Sequence[Layer],
    *,
    arch: str,
    entrypoint: Sequence[str],
    user: str = "",
) -> Image:
    """Write configuration and manifest of an image whose layers are in the store."""
    settings: dict[str, Any] = {"Entrypoint": list(entrypoint), "Env": [PATH], "WorkingDir": "/"}
    if user:
        settings["User"] = user
    config = _json(
        {
            "architecture": arch,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
    )
    config_digest = store.add_bytes(config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config_digest, len(config)),
            "layers": [_descriptor(LAYER, layer.digest, layer.size) for layer in layers],
        }
    )
    digest = store.add_bytes(manifest)
    size = len(manifest) + len(config) + sum(layer.size for layer in layers)
    return Image(digest, size, (digest, config_digest, *(layer.digest for layer in layers)))


def blobs_of(manifest: bytes) -> tuple[tuple[str, int], ...]:
    """Digest and size of the configuration and layers that a manifest names.

    ArtifactError for what is no manifest: a captive portal's page, for one.
    """
    try:
        told = json.loads(manifest)
        named = [(each["digest"], int(each["size"])) for each in (told["config"], *told["layers"])]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ArtifactError(
            f"what should be an image's manifest is none: {manifest[:60]!r}",
            remedy="something between here and the registry answers in its place (a proxy, a"
            " captive portal); use another --source",
        ) from None
    return tuple((checked(digest, "an image's manifest"), size) for digest, size in named)


def write_archive(images: Sequence[Artifact], destination: Path) -> str:
    """Write one OCI archive that holds all images, each blob once; returns the file's sha256.

    `ctr -n k8s.io images import FILE` makes all of them known by their references. The file
    appears when it is complete.
    """
    with atomic.written(destination) as stream:
        return stream_archive(images, stream)


def stream_archive(images: Sequence[Artifact], stream: IO[bytes]) -> str:
    """As `write_archive`, into any writable stream (a pipe to a host, for one)."""
    hashing = _Hashing(stream)
    blobs: dict[str, Path] = {}
    descriptors: list[dict[str, Any]] = []
    for image in sorted(images, key=lambda i: i.reference):
        if image.kind is not Kind.IMAGE:
            raise ArtifactError(f"{image.name} is a {image.kind.value}, not an image")
        manifest = image.path.read_bytes()
        for digest in (image.digest, *(digest for digest, _ in blobs_of(manifest))):
            blobs[digest.removeprefix("sha256:")] = image.path.with_name(
                digest.removeprefix("sha256:")
            )
        annotations = {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
        }
        media_type = json.loads(manifest).get("mediaType", MANIFEST)
        descriptor = _descriptor(media_type, image.digest, len(manifest))
        descriptors.append(descriptor | {"annotations": annotations})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
    with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as tar:
        _add_member(tar, Member("oci-layout", data=_json({"imageLayoutVersion": "1.0.0"})))
        _add_member(tar, Member(INDEX_FILE, data=_json(index)))
        for name in sorted(blobs):
            _add_member(tar, Member(f"blobs/sha256/{name}", file=blobs[name]))
    return hashing.digest


class _Hashing(io.RawIOBase):
    """Passes bytes on and hashes them on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    def write(self, data: Any, /) -> int:
        self._hash.update(data)
        return self._stream.write(data)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
