"""Where a base root's Debian packages come from: what apt on this machine is configured with."""

from __future__ import annotations

from pathlib import Path

from kanae.lab.release import Image

APT = Path("/etc/apt")


def configured(image: Image, apt: Path = APT) -> tuple[Path, ...]:
    """This machine's own apt source files that serve the release.

    Only files that name its suite are taken, and of those only ones whose key is Debian's own or
    unsaid, for a third party's repository has no place in a bare host.
    """
    taken: list[Path] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        words = {word for line in lines for word in line.split()}
        foreign = any("signed-by" in w.lower() for w in words) and not any(
            "debian-archive" in w for w in words
        )
        if image in words and "main" in words and not foreign:
            taken.append(path)
    return tuple(taken)


def mirrors(image: Image, folder: Path, apt: Path = APT) -> tuple[Path, ...]:
    """Source files for mmdebstrap; none: its default, deb.debian.org.

    A machine's mirror has other releases too: where this machine is configured for another one
    than this, its source files are written into `folder` with the release's name in place.
    """
    if own := configured(image, apt):
        return own
    for other in Image:
        if files := configured(other, apt):
            return tuple(_renamed(path, other, image, folder) for path in files)
    return ()


def _renamed(path: Path, other: Image, image: Image, folder: Path) -> Path:
    copy = folder / path.name
    copy.write_text(path.read_text().replace(other, image))
    return copy
