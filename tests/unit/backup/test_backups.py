"""Backups that there are: their names, where they lie, which of them stay."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanae.backup import archive, keys, name
from kanae.backup.folder import FolderTarget
from kanae.backup.name import BackupName, name_of, parse
from kanae.backup.target import Kept
from kanae.errors import BackupBroken, BackupError, Refused, UsageError
from kanae.operations import backups
from kanae.operations.backup_targets import parse_listed
from kanae.operations.backups import prunable, prune, superfluous, verify
from kanae.spec.backup import Keep
from kanae.spec.places import Bucket, Folder, OverSsh, place_of
from kanae.spec.rules.backup import wrong_recipient

from .made import IDENTITY, TAKEN, parts

KEY = pyrage.x25519.Identity.generate()


def put(
    folder: Path, taken: datetime = TAKEN, *recipients: str, cluster: str = "demo",
    identity: str = IDENTITY,
) -> Path:  # fmt: skip
    whole, made = parts(taken=taken, cluster=cluster, identity=identity), folder / "made"
    folder.mkdir(exist_ok=True)
    sha256 = whole.write(made, *recipients)
    called = name_of(cluster, taken, identity, sha256, encrypted=bool(recipients))
    return made.rename(folder / str(called))


@given(
    st.builds(
        BackupName,
        cluster=st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?\Z"),
        taken=st.datetimes(timezones=st.just(UTC))
        .filter(lambda each: each.year > 1000)
        .map(lambda each: each.replace(microsecond=0)),
        identity=st.from_regex(r"\A[0-9a-f]{8}\Z"),
        digest=st.from_regex(r"\A[0-9a-f]{16}\Z"),
        encrypted=st.booleans(),
    )
)
def test_a_name_is_read_as_it_was_given(given_name: BackupName) -> None:
    assert parse(str(given_name)) == given_name


@given(st.text(max_size=80))
def test_other_names_are_passed_over(text: str) -> None:
    assert parse(text) is None


def test_what_a_host_lists_is_judged() -> None:
    good = f"demo-20260701T120000Z-01234567-{'0' * 16}.tar"
    listed = f"12 {good}\nx {good}\n{'9' * 30} {good}\n12 ../{good}\n12 other.tar\n\n-1 {good}\n"
    assert [(each.size, str(each.name)) for each in parse_listed(listed)] == [(12, good)]


async def test_a_folder_takes_and_gives_them(tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "deep" / "kept")
    assert await target.kept() == []
    staged = target.staging / ".staged"
    sha256 = parts().write(staged)
    called = name_of("demo", TAKEN, IDENTITY, sha256, encrypted=False)
    await target.put(staged, called, sha256)
    (target.staging / "notes.txt").write_text("of somebody else")
    (target.staging / str(called).replace("demo", "link")).symlink_to("/etc/shadow")
    assert [each.name for each in await target.kept()] == [called]
    async with target.local(called) as file:
        assert verify(file, ()).manifest == parts().manifest
    await target.remove(called)
    assert await target.kept() == []
    assert (tmp_path / "deep/kept").stat().st_mode & 0o777 == 0o700


async def test_one_that_does_not_read_back_is_not_kept(tmp_path: Path) -> None:
    target = FolderTarget(tmp_path)
    staged = target.staging / ".staged"
    sha256 = parts().write(staged)
    called = name_of("demo", TAKEN, IDENTITY, sha256, encrypted=False)
    staged.write_bytes(staged.read_bytes()[:-1])
    with pytest.raises(BackupBroken, match="does not read back"):
        await target.put(staged, called, sha256)
    assert await target.kept() == []


async def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="cannot make the folder"):
        _ = FolderTarget(tmp_path / "file" / "kept").staging


def kept(*ages: int) -> list[Kept]:
    """Of so many days."""
    return [
        Kept(
            name_of("demo", TAKEN - timedelta(days=age), IDENTITY, f"{age:064x}", encrypted=False),
            1,
        )
        for age in ages
    ]


@pytest.mark.parametrize(
    ("keep", "removed"),
    [
        (Keep(count=2), [2, 30]),
        (Keep(age="36h"), [2, 30]),
        (Keep(age="4w"), [30]),
        (Keep(count=2, age="12h"), [1, 2, 30]),
        (Keep(count=1, age="1h"), [1, 2, 30]),
        (Keep(count=9), []),
    ],
    ids=str,
)  # fmt: skip
def test_which_are_superfluous(keep: Keep, removed: Sequence[int]) -> None:
    found = superfluous(kept(2, 0, 30, 1), keep, TAKEN)
    assert list(found.removed) == kept(*removed)


def test_the_newest_stays_however_old_it_is() -> None:
    found = superfluous(kept(400, 500), Keep(count=1, age="1h"), TAKEN)
    assert list(found.kept) == kept(400)


async def test_pruning_touches_only_backups_of_this_cluster(tmp_path: Path) -> None:
    days = [put(tmp_path, TAKEN - timedelta(days=age)) for age in range(4)]
    others = [
        put(tmp_path, TAKEN - timedelta(days=9), cluster="other"),
        put(tmp_path, TAKEN - timedelta(days=9), identity="f" * 32),
    ]
    (tmp_path / "demo-notes.tar").write_text("of somebody else")
    target = FolderTarget(tmp_path)
    found = await prunable(target, "demo", IDENTITY, Keep(count=2), TAKEN)
    await prune(target, found, "demo", IDENTITY, ())
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {each.name for each in (*days[:2], *others)} | {"demo-notes.tar"}


async def test_nothing_is_removed_unless_one_that_stays_is_good(tmp_path: Path) -> None:
    newest, older = put(tmp_path), put(tmp_path, TAKEN - timedelta(days=1))
    content = bytearray(newest.read_bytes())
    content[-100] ^= 1
    newest.write_bytes(content)
    target = FolderTarget(tmp_path)
    found = await prunable(target, "demo", IDENTITY, Keep(count=1), TAKEN)
    assert [str(each.name) for each in found.removed] == [older.name]
    with pytest.raises(Refused, match="none of the 1 backups that would stay is good"):
        await prune(target, found, "demo", IDENTITY, ())
    assert older.exists()


def test_an_encrypted_one_without_its_key_is_compared_with_its_name(tmp_path: Path) -> None:
    file = put(tmp_path, TAKEN, str(KEY.to_public()))
    assert verify(file, ()).sealed
    assert verify(file, [KEY]).manifest is not None
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BackupBroken, match="its name says"):
        verify(file, ())


def test_one_under_the_name_of_another_cluster_is_told(tmp_path: Path) -> None:
    file = put(tmp_path)
    parsed = name.parse(file.name)
    assert parsed is not None
    foreign = name_of("other", TAKEN, IDENTITY, archive.sha256(file), encrypted=False)
    renamed = file.rename(tmp_path / str(foreign))
    with pytest.raises(BackupBroken, match="not what its name says"):
        verify(renamed, ())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("backups", Folder("backups")),
        ("~/b", Folder("~/b")),
        ("ssh://m1/srv/b", None),
        ("s3://bucket", Bucket("bucket", "")),
        ("s3://bucket/a/b/", Bucket("bucket", "a/b")),
    ],
)
def test_targets_are_read(text: str, place: object) -> None:
    found = place_of(text)
    assert found == place if place is not None else isinstance(found, OverSsh)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a\nb", "ftp://x/y", "ssh://", "ssh://m1", "ssh://m1/", "ssh://u:p@m1/b",
        "ssh://m1/../b", "ssh://m1:0/b", "ssh://m1:x/b", "ssh://-oProxyCommand=x/b", "ssh://m 1/b",
        "ssh://m1/a?b", "ssh://m1/%0a", "s3://", "s3://A", "s3://bucket/../x", "s3://bucket/a b",
        "ssh://[::1/b",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        place_of(text)


def test_recipients_are_public_keys() -> None:
    assert wrong_recipient(str(KEY.to_public())) == ""
    assert "private" in wrong_recipient(str(KEY))
    assert str(KEY) not in wrong_recipient(str(KEY))
    damaged = str(KEY.to_public())[:-1] + "q"
    assert "damaged" in wrong_recipient(damaged) or damaged == str(KEY.to_public())
    assert "expected" in wrong_recipient("ssh-dss AAAA")


def test_private_keys_come_from_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"# created: today\n{KEY}\n")
    file.chmod(0o600)
    assert len(keys.identities(file)) == 1
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others may read"):
        keys.identities(file)
    file.chmod(0o600)
    for text in ("", "nothing", f"{KEY}x", "-----BEGIN NOTHING-----\n"):
        file.write_text(text)
        with pytest.raises(UsageError) as error:
            keys.identities(file)
        assert str(KEY) not in str(error.value)


def test_a_key_of_ssh_opens_what_is_encrypted_for_it(tmp_path: Path) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    assert wrong_recipient(public) == ""
    file = put(tmp_path / "kept", TAKEN, public)
    assert backups.verify(file, keys.identities(key)).manifest == parts().manifest
