from __future__ import annotations

from pathlib import Path

import pytest

from kanae.lab import sources
from kanae.lab.release import Image

DEB822 = """\
# https://example.org/snapshot
Types: deb
URIs: https://example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    folder = tmp_path / "apt"
    (folder / "sources.list.d").mkdir(parents=True)
    return folder


def test_this_machine_s_sources_of_the_release_are_used(apt: Path, tmp_path: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    (apt / "sources.list").write_text("deb https://example.org/debian bookworm main\n")
    own = (apt / "sources.list", apt / "sources.list.d/debian.sources")
    assert sources.configured(Image.BOOKWORM, apt) == own
    assert sources.mirrors(Image.BOOKWORM, tmp_path, apt) == own


def test_sources_of_other_suites_and_of_third_parties_are_not(apt: Path) -> None:
    (apt / "sources.list").write_text("# deb https://example.org/debian bookworm main\n")
    (apt / "sources.list.d/new.sources").write_text(DEB822.replace("bookworm", "trixie"))
    foreign = DEB822.replace("debian-archive-keyring", "vendor")
    (apt / "sources.list.d/vendor.sources").write_text(foreign)
    (apt / "sources.list.d/old.save").write_text(DEB822)
    assert sources.configured(Image.BOOKWORM, apt) == ()


def test_a_release_that_is_not_configured_comes_from_the_same_mirror(
    apt: Path, tmp_path: Path
) -> None:
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    (apt / "sources.list.d/vendor.list").write_text("deb https://example.com cloud-bookworm main")
    (taken,) = sources.mirrors(Image.TRIXIE, tmp_path, apt)
    assert taken == tmp_path / "debian.sources"
    assert "URIs: https://example.org/debian\nSuites: trixie trixie-updates" in taken.read_text()
    assert (apt / "sources.list.d/debian.sources").read_text() == DEB822


def test_without_sources_of_debian_the_mirror_is_mmdebstrap_s_own(
    apt: Path, tmp_path: Path
) -> None:
    (apt / "sources.list").write_text("deb https://example.org/ubuntu noble main\n")
    assert sources.mirrors(Image.TRIXIE, tmp_path, apt) == ()
