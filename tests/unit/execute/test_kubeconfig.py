"""kubeconfigs are somebody's: ours goes in and comes out again, all else stays as it is."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from kanae.errors import Refused
from kanae.execute.kubeconfig import Document, merged, named, to_text, without
from kanae.execute.scripts import files

ADMIN = """apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster: {server: "https://10.0.0.9:6440", certificate-authority-data: QUJD}
users:
- name: kubernetes-admin
  user: {client-certificate-data: REVG, client-key-data: R0hJ}
contexts:
- name: kubernetes-admin@kubernetes
  context: {cluster: kubernetes, user: kubernetes-admin}
current-context: kubernetes-admin@kubernetes
"""
THEIRS = """apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: theirs
  cluster: {server: "https://else.where"}
users:
- name: them
  user: {token: abc, exec: {command: login}}
contexts:
- name: theirs
  context: {cluster: theirs, user: them, namespace: n}
current-context: theirs
extensions: [{name: e, extension: {a: 1}}]
"""


def loaded(text: str) -> Document:
    found: Any = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped
    return found


def names(document: Document, kind: str) -> list[str]:
    entries: Any = document[kind]
    return [entry["name"] for entry in entries]


def test_names_are_the_clusters_and_credentials_stay() -> None:
    ours: Any = named(ADMIN, "lab")
    assert [ours[kind][0]["name"] for kind in ("clusters", "contexts", "users")] == [
        "lab",
        "lab",
        "lab-admin",
    ]
    assert ours["contexts"][0]["context"] == {"cluster": "lab", "user": "lab-admin"}
    assert ours["clusters"][0]["cluster"]["server"] == "https://10.0.0.9:6440"
    assert ours["users"][0]["user"]["client-key-data"] == "R0hJ"
    assert ours["current-context"] == "lab"


def test_what_else_is_in_the_file_stays_untouched() -> None:
    both = merged(THEIRS, named(ADMIN, "lab"))
    theirs: Any = loaded(THEIRS)
    for kind in ("clusters", "users", "contexts"):
        found: Any = both[kind]
        assert found[0] == theirs[kind][0]
        assert len(found) == 2
    for key in ("preferences", "extensions", "current-context"):
        assert both[key] == theirs[key]


@pytest.mark.parametrize(
    "existing", ["", "\n", "apiVersion: v1\nkind: Config\n", "clusters: null\n"]
)
def test_an_empty_file_gets_the_whole_and_its_context(existing: str) -> None:
    both = merged(existing, named(ADMIN, "lab"))
    assert both["current-context"] == "lab"
    assert names(both, "contexts") == ["lab"]


def test_putting_it_in_again_replaces_the_old_one() -> None:
    once = to_text(merged(THEIRS, named(ADMIN, "lab")))
    other = ADMIN.replace("R0hJ", "bmV3")
    twice: Any = merged(once, named(other, "lab"))
    assert names(twice, "users") == ["them", "lab-admin"]
    assert twice["users"][1]["user"]["client-key-data"] == "bmV3"
    assert merged(once, named(ADMIN, "lab")) == loaded(once)


def test_two_clusters_share_a_file() -> None:
    both = merged(to_text(named(ADMIN, "a")), named(ADMIN, "b"))
    assert names(both, "contexts") == ["a", "b"]
    assert both["current-context"] == "a"


def test_taking_it_out_leaves_what_was_there() -> None:
    both = to_text(merged(THEIRS, named(ADMIN, "lab")))
    assert without(both, "lab") == loaded(THEIRS)


def test_nothing_is_left_of_a_file_that_was_only_ours() -> None:
    assert without(to_text(named(ADMIN, "lab")), "lab") is None


def test_a_current_context_that_goes_is_not_left_pointing_nowhere() -> None:
    two = to_text(merged(to_text(named(ADMIN, "a")), named(ADMIN, "b")))
    left = without(two, "a")
    assert left is not None
    assert left["current-context"] == ""
    assert names(left, "users") == ["b-admin"]


def test_text_is_read_back_as_it_was_with_long_words_on_one_line() -> None:
    document = named(ADMIN.replace("QUJD", "A" * 4000), "lab")
    text = to_text(document)
    assert loaded(text) == document
    assert any("A" * 4000 in line for line in text.splitlines())


@pytest.mark.parametrize("existing", ["[1, 2]", "just words", "a: [", "a: b: c"])
def test_a_file_that_is_no_kubeconfig_is_refused(existing: str) -> None:
    with pytest.raises(Refused) as caught:
        merged(existing, named(ADMIN, "lab"))
    assert caught.value.remedy
    with pytest.raises(Refused):
        without(existing, "lab")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another account")
def test_its_folder_is_made_as_the_accounts_own_and_left_alone_where_there_is_one(
    tmp_path: Path,
) -> None:
    """In a folder of root's `kubectl config use-context` could not even lock the file."""
    script = files.folder_of(f"{tmp_path}/.kube/config", "nobody:")
    subprocess.run(["/bin/sh", "-c", script], check=True)
    made = (tmp_path / ".kube").stat()
    account = pwd.getpwnam("nobody")
    assert (made.st_uid, made.st_gid) == (account.pw_uid, account.pw_gid)
    os.chown(tmp_path / ".kube", 0, 0)
    subprocess.run(["/bin/sh", "-c", script], check=True)
    assert (tmp_path / ".kube").stat().st_uid == 0
