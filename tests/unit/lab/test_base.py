from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab import base
from kanae.lab.release import RELEASES, Image


def test_key_changes_with_the_recipe_of_its_release_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {image: base.key(image) for image in Image}
    assert len(set(before.values())) == len(Image)
    assert before == {image: base.key(image) for image in Image}
    known = RELEASES[Image.TRIXIE]
    more = replace(known, packages=(*known.packages, "tcpdump"))
    monkeypatch.setitem(RELEASES, Image.TRIXIE, more)
    assert base.key(Image.TRIXIE) != before[Image.TRIXIE]
    assert base.key(Image.BOOKWORM) == before[Image.BOOKWORM]


def test_releases_with_the_same_recipe_have_bases_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RELEASES, Image.TRIXIE, RELEASES[Image.BOOKWORM])
    assert base.path(Image.TRIXIE) != base.path(Image.BOOKWORM)


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
