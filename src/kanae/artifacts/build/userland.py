"""The layers below built images: users and certificates, and a small Debian userland.

The userland has the programs that kube-proxy and flannel run (iptables, nft, conntrack, ip,
modprobe) with their libraries, from Debian packages: apt resolves and fetches them with folders
of its own, so that neither root nor the machine's package state is needed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from kanae.artifacts.build.machine import run
from kanae.artifacts.build.programs import GNU
from kanae.artifacts.entry import LAYER, Entry
from kanae.artifacts.oci import ZSTD, Layer, Member, add_layer, diff_id, parents
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import Store
from kanae.environment import inherited
from kanae.errors import ArtifactError, MachineUnfit

# netbase has /etc/protocols. Without it nft tells protocols by number, and a kube-proxy that starts
# takes the elements of its own maps for others, and deletes them: no Service is reached any more.
PROGRAMS = ("iptables", "nftables", "conntrack", "iproute2", "kmod", "ipset", "netbase")
CERTIFICATES = ("ca-certificates",)
# What the closure brings in and no program above needs at run time.
UNWANTED = re.compile(
    r"^(perl.*|debconf|dpkg|tar|install-info|openssl|libdb5.*|gcc-\d+-base|lsb-base|"
    r"libpam.*|libaudit.*|libcap-ng.*|libcrypt1|passwd|adduser|init-system-helpers|sysvinit-utils|"
    r"coreutils|util-linux.*|bash|dash|sed|grep|libgcc-s1|cdebconf|libdebconf.*|mount)$"
)
# Files that are kept: programs, libraries, iptables' extensions, iproute2's tables.
WANTED = re.compile(
    r"^(usr/s?bin/(x?tables[^/]*|xtables[^/]*|ip6?tables[^/]*|ebtables[^/]*|arptables[^/]*|nft|"
    r"conntrack|ip|ss|bridge|tc|kmod|modprobe|lsmod|ipset)|"
    r"usr/lib/[^/]+/(lib[^/]+\.so[^/]*|ld-linux[^/]*|xtables/.*)|usr/lib64/.*|usr/lib/ld-linux.*|"
    r"etc/(protocols|ethertypes)|(etc|usr/share|usr/lib)/iproute2/.*)$"
)
# Debian's alternatives, which a package's postinst would make.
LINKS = {
    "usr/sbin/iptables": "xtables-nft-multi",
    "usr/sbin/iptables-save": "xtables-nft-multi",
    "usr/sbin/iptables-restore": "xtables-nft-multi",
    "usr/sbin/ip6tables": "xtables-nft-multi",
    "usr/sbin/ip6tables-save": "xtables-nft-multi",
    "usr/sbin/ip6tables-restore": "xtables-nft-multi",
}
USERS = b"root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
GROUPS = b"root:x:0:\nnogroup:x:65534:\n"
MERGED = ("bin", "sbin", "lib", "lib64")


def layers(kind: str, arch: str, store: Store, progress: Progress) -> tuple[Layer, ...]:
    """The layers of this kind ("", "base" or "userland"), bottom first, made when not stored."""
    if kind == "":
        return ()
    base = _stored("base", CERTIFICATES, arch, store, progress)
    if kind == "base":
        return (base,)
    return (base, _stored("userland", PROGRAMS, arch, store, progress))


def shape(kind: str, arch: str) -> str:
    """Changes with anything here that shapes the layers of a kind; "" for none."""
    keys = [] if kind == "" else [layer_key("base", CERTIFICATES, arch)]
    if kind == "userland":
        keys.append(layer_key("userland", PROGRAMS, arch))
    return " ".join(keys)


def layer_key(kind: str, packages: tuple[str, ...], arch: str) -> str:
    """Key of a layer in the store: changes with anything in this file that shapes it."""
    shaped = (
        ZSTD,
        kind,
        packages,
        arch,
        UNWANTED.pattern,
        WANTED.pattern,
        sorted(LINKS.items()),
        USERS,
    )
    return hashlib.sha256(repr(shaped).encode()).hexdigest()


def _stored(
    kind: str, packages: tuple[str, ...], arch: str, store: Store, progress: Progress
) -> Layer:
    key = layer_key(kind, packages, arch)
    with store.locked([key], lambda: progress.say(f"waiting: image layer {kind} is being made")):
        entry = store.have(key)
        if entry is None or diff_id(store.path(entry.digest)) != entry.diff_id:
            with store.work_dir() as work:
                debs = _fetch(packages, arch, work, progress)
                if kind == "base":
                    members = list(_base_members(debs, work))
                else:
                    members = list(_userland_members(debs, work, arch))
                layer = add_layer(store, members)
            entry = Entry(LAYER, kind, "1", arch, "build", layer.digest, layer.size,
                          (layer.digest,), diff_id=layer.diff_id)  # fmt: skip
            store.put(key, entry)
    return Layer(entry.digest, entry.size, entry.diff_id)


def _fetch(packages: tuple[str, ...], arch: str, work: Path, progress: Progress) -> list[Path]:
    """Download packages and all they depend on; returns the .deb files by name."""
    state, lists, debs = work / "state", work / "lists", work / "debs"
    for folder in (state, lists / "partial", debs / "partial"):
        folder.mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": lists,
        "Dir::Cache": work,
        "Dir::Cache::archives": debs,
        "Dir::Log": work,
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    env = inherited() | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    progress.say(f"fetching Debian packages for image layers ({arch}): {', '.join(packages)}")
    run([*apt, "update"], env=env, what="reading Debian package lists")
    install = ["install", "-y", "--download-only", "--no-install-recommends"]
    run([*apt, *install, *packages], env=env, what="fetching Debian packages")
    found = sorted(debs.glob("*.deb"))
    if not found:
        raise ArtifactError(f"apt fetched none of {', '.join(packages)}")
    return found


def _entries(debs: list[Path], work: Path) -> Iterator[Member]:
    """The files and links of packages, below usr/ as merged-usr systems have them."""
    for deb in debs:
        if UNWANTED.match(deb.name.split("_")[0]):
            continue
        plain = work / f"{deb.name}.tar"
        with plain.open("wb") as stream:
            try:
                subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=stream, check=True)
            except FileNotFoundError as error:
                raise MachineUnfit(
                    "building image layers needs dpkg-deb",
                    remedy="build on Debian or Ubuntu, or take images from another source",
                ) from error
        with tarfile.open(plain) as tar:
            for info in tar:
                path = info.name.removeprefix("./")
                if path.split("/")[0] in MERGED:
                    path = f"usr/{path}"
                if info.issym() or info.islnk():
                    link = info.linkname if info.issym() else "/" + info.linkname.removeprefix("./")
                    yield Member(path, link=link)
                elif info.isfile():
                    content = tar.extractfile(info)
                    data = content.read() if content is not None else b""
                    yield Member(path, info.mode & 0o755, data=data)
        plain.unlink()


def _base_members(debs: list[Path], work: Path) -> Iterator[Member]:
    certificates = b"".join(
        (member.data or b"").strip() + b"\n"
        for member in sorted(_entries(debs, work), key=lambda m: m.path)
        if member.path.startswith("usr/share/ca-certificates/") and member.path.endswith(".crt")
    )
    for folder in ("etc", "etc/ssl", "etc/ssl/certs", "root", "run", "usr", "var", "var/run"):
        yield Member(folder, 0o755, directory=True)
    yield Member("tmp", 0o1777, directory=True)
    yield Member("etc/passwd", data=USERS)
    yield Member("etc/group", data=GROUPS)
    yield Member("etc/nsswitch.conf", data=b"hosts: files dns\n")
    yield Member("etc/ssl/certs/ca-certificates.crt", data=certificates)


def _userland_members(debs: list[Path], work: Path, arch: str) -> Iterator[Member]:
    members = {m.path: m for m in _entries(debs, work) if WANTED.match(m.path)}
    members |= {path: Member(path, link=target) for path, target in LINKS.items()}
    members |= {name: Member(name, link=f"usr/{name}") for name in MERGED}
    folders = {folder for path in members for folder in parents(path)}
    yield from (Member(folder, 0o755, directory=True) for folder in sorted(folders))
    yield from members.values()
    for path, what in (
        (f"usr/lib/{GNU[arch]}/libc.so.6", "a C library"),
        ("etc/protocols", "the names of protocols"),
    ):
        if path not in members:
            raise ArtifactError(f"the userland layer came out without {what}")
