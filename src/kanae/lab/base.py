"""The base root: one Debian tree a release in the cache, the lower layer of every lab's hosts.

Bare: systemd, sshd and ordinary tools, nothing of Kubernetes. The packages that a balancer host or
one with a prober installs wait in a `file:` repository inside, so that plain `apt-get install`
works without a network.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from kanae.errors import LabError
from kanae.lab import sources
from kanae.lab.locks import held
from kanae.lab.programs import run
from kanae.lab.release import RELEASES, Image
from kanae.paths import cache_dir

# Bump when this module's recipe changes in a way that the lists and files below do not show.
RECIPE = 1
REPOSITORY = "usr/local/share/kanae-lab/packages"
USERS = ("operator", "operator-pw")
_FILES = {
    "boot.sh": ("usr/local/lib/kanae-lab/boot.sh", 0o755),
    "kanae-lab.service": ("etc/systemd/system/kanae-lab.service", 0o644),
    "sshd.conf": ("etc/ssh/sshd_config.d/kanae-lab.conf", 0o644),
    "sudoers": ("etc/sudoers.d/kanae-lab", 0o440),
}


def _content(name: str) -> str:
    return (files("kanae.lab") / "image" / name).read_text()


def key(image: Image) -> str:
    """Names the base by everything that goes into it (12 hex digits of a SHA-256)."""
    of = RELEASES[image]
    lists = [of.packages, of.offered, REPOSITORY, of.masked, USERS, list(_FILES.values())]
    text = json.dumps([[RECIPE, image, *lists], [_content(name) for name in _FILES]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def path(image: Image) -> Path:
    """Where the base is, or will be."""
    return cache_dir() / "lab" / key(image)


def ensure(image: Image, say: Callable[[str], None]) -> Path:
    """The release's base root, built if it is not there (35 s to 2 min, needs Debian's packages).

    Of concurrent calls one builds and the others wait; a broken build leaves nothing usable.
    say: gets lines for the user. Raises LabError when the build fails.
    """
    done = path(image)
    if done.is_dir():
        return done
    done.parent.mkdir(parents=True, exist_ok=True)
    with held(done.with_suffix(".lock"), "builds the base root", say):
        if done.is_dir():
            return done
        partial = done.with_suffix(".partial")
        if partial.exists():
            shutil.rmtree(partial)
        debian = f"Debian {RELEASES[image].version} ({image})"
        say(f"building the hosts' base root, {debian}, into {done} (once, about a minute)")
        _build(image, partial)
        partial.rename(done)
    return done


def _build(image: Image, root: Path) -> None:
    archives = f"$1/{REPOSITORY}"
    with_apt = "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends"
    release = RELEASES[image]
    with TemporaryDirectory() as scratch:
        run(
            [
                "mmdebstrap",
                "--mode=root",
                "--variant=apt",
                "--include=" + ",".join(release.packages),
                "--dpkgopt=force-unsafe-io",
                *(
                    f"--dpkgopt=path-exclude=/usr/share/{folder}/*"
                    for folder in ("doc", "info", "locale", "man")
                ),
                '--aptopt=APT::Install-Recommends "false"',
                '--customize-hook=rm -f "$1"/var/cache/apt/archives/*.deb',
                f"--customize-hook={with_apt} --download-only install {' '.join(release.offered)}",
                f'--customize-hook=mkdir -p "{archives}"',
                f'--customize-hook=mv "$1"/var/cache/apt/archives/*.deb "{archives}"',
                image,
                str(root),
                *map(str, sources.mirrors(image, Path(scratch))),
            ],
            timeout=1800,
        )
    for name, (target, mode) in _FILES.items():
        write(root / target, _content(name), mode)
    units = root / "etc/systemd/system"
    (units / "sysinit.target.wants").mkdir(parents=True, exist_ok=True)
    (units / "sysinit.target.wants/kanae-lab.service").symlink_to("../kanae-lab.service")
    for unit in release.masked:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for leftover in (root / "etc/ssh").glob("ssh_host_*"):
        leftover.unlink()
    for user in USERS:
        # Debian has a group `operator` of its own, so neither gets a group of its name.
        shell = ["useradd", "--create-home", "--gid", "users", "--shell", "/bin/bash", user]
        run(["chroot", str(root), *shell])
    _offer_packages(root)


def _offer_packages(root: Path) -> None:
    """Index the repository inside and make it the hosts' only source."""
    folder = root / REPOSITORY
    stanzas: list[str] = []
    for package in sorted(folder.glob("*.deb")):
        control = run(["dpkg-deb", "--field", str(package)]).strip()
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        size = package.stat().st_size
        stanzas.append(f"{control}\nFilename: ./{package.name}\nSize: {size}\nSHA256: {digest}\n")
    write(folder / "Packages", "\n".join(stanzas), 0o644)
    for source in (root / "etc/apt/sources.list.d").iterdir():
        source.unlink()
    write(root / "etc/apt/sources.list", f"deb [trusted=yes] file:/{REPOSITORY} ./\n", 0o644)
    run(["chroot", str(root), "apt-get", "update"])


def write(path: Path, text: str, mode: int) -> None:
    """Write a file of a host's root, with its mode whatever the umask is; makes its folders."""
    for folder in reversed([p for p in path.parents if not p.exists()]):
        folder.mkdir()
        folder.chmod(0o755)
    path.write_text(text)
    path.chmod(mode)


def is_overlay(folder: Path) -> bool:
    """Whether a folder, or the nearest one above that exists, lies on overlayfs."""
    existing = next(p for p in [folder, *folder.parents] if p.exists())
    return run(["stat", "--file-system", "--format=%T", str(existing)]).strip() == "overlayfs"


def operator_password_hash(base: Path, password: str) -> str:
    """A crypt(3) SHA-512 hash, made with the base's own openssl; the password goes by stdin."""
    return run(["chroot", str(base), "openssl", "passwd", "-6", "-stdin"], stdin=password).strip()


def shadow_with(base: Path, user: str, hashed: str) -> str:
    """The base's /etc/shadow with one user's password set."""
    lines = (base / "etc/shadow").read_text().splitlines()
    fields = [line.split(":") for line in lines]
    if not any(field[0] == user for field in fields):
        raise LabError(f"the base root {base} has no user {user}")
    return "".join(":".join([f[0], hashed, *f[2:]] if f[0] == user else f) + "\n" for f in fields)
