from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab import base

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
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_this_machine_s_sources_of_the_suite_are_used(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    (apt / "sources.list").write_text("deb https://example.org/debian bookworm main\n")
    assert base.debian_sources(apt, "bookworm") == (
        str(apt / "sources.list"),
        str(apt / "sources.list.d/debian.sources"),
    )


def test_sources_of_other_suites_and_of_third_parties_are_not(apt: Path) -> None:
    (apt / "sources.list").write_text("# deb https://example.org/debian bookworm main\n")
    (apt / "sources.list.d/new.sources").write_text(DEB822.replace("bookworm", "trixie"))
    foreign = DEB822.replace("debian-archive-keyring", "vendor")
    (apt / "sources.list.d/vendor.sources").write_text(foreign)
    (apt / "sources.list.d/old.save").write_text(DEB822)
    assert base.debian_sources(apt, "bookworm") == ()


def test_key_changes_with_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base.key()
    assert before == base.key()
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "tcpdump"))
    assert base.key() != before


def test_written_files_have_their_mode_and_open_folders(tmp_path: Path) -> None:
    target = tmp_path / "etc/ssh/key"
    base.write(target, "secret", 0o600)
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.parent.stat().st_mode & 0o777 == 0o755


def test_password_is_set_for_one_user_only(tmp_path: Path) -> None:
    base.write(tmp_path / "etc/shadow", "root:*:1::::::\noperator-pw:!:1::::::\n", 0o640)
    shadow = base.shadow_with(tmp_path, "operator-pw", "$6$x")
    assert shadow == "root:*:1::::::\noperator-pw:$6$x:1::::::\n"
    with pytest.raises(LabError, match="no user"):
        base.shadow_with(tmp_path, "nobody", "$6$x")
