"""Names from outside reach a host's shell as words, whatever is in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kanae.artifacts.archives import Archives
from kanae.artifacts.model import ArtifactSet
from kanae.execute.actions.hosts import Delivery
from kanae.execute.scripts import (
    etcd,
    files,
    images,
    kubectl,
    lease,
    nodes,
    reset,
    resources,
)
from kanae.facts.model import Query
from kanae.facts.script import script
from kanae.layout import paths as at
from kanae.plan.actions import Converge, LoadImages, RemoveCluster, RemoveEtcd, SetNode
from kanae.resources.artifact import Image
from kanae.resources.file import Absent, Directory
from kanae.resources.system import Modules, Sysctl
from kanae.resources.unit import NoUnit, Unit
from kanae.transport.files import send_script, upload_batches
from kanae.transport.protocol import Upload

from .test_delivery import Host

CANARY = "pwned"
BITING = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"'; touch {CANARY}; '",
    f'"; touch {CANARY}; "',
    f"' $(touch {CANARY}) '",
    f"a\ntouch {CANARY}\n",
    f"a b;touch {CANARY}",
    f"a & touch {CANARY} &",
    f"\\'; touch {CANARY} #",
    f">{CANARY}",
    f"*{CANARY}*",
    f"-rf --{CANARY}",
    f"${{IFS}}{CANARY}",
    f"~{CANARY}",
    f"é {CANARY} \x1b[2J",
)


def outside_quotes(text: str) -> str:
    """What of a script a shell would look into: all but what stands in single quotes."""
    kept, at = "", 0
    within: list[str] = []  # double quotes and "$(...)" that are open
    while at < len(text):
        here, double = text[at], within[-1:] == ['"']
        if here == "'" and not double:
            at = text.index("'", at + 1)
        elif here == "\\":
            at += 1
        else:
            kept += here
            if here == '"':
                if double:
                    within.pop()
                else:
                    within.append('"')
            elif double and text.startswith("$(", at):
                within.append("(")
            elif here == ")" and within[-1:] == ["("]:
                within.pop()
        at += 1
    assert not within, "a quote is left open"
    return kept


def test_what_a_shell_would_look_into_is_found() -> None:
    assert outside_quotes("a 'b c' \"$d\" e\\'f") == 'a  "$d" ef'
    assert outside_quotes("\"it's $(x 'y' \"z\")\" 'w'") == '"it\'s $(x  "z")" '


@pytest.mark.parametrize("name", BITING)
def test_no_script_has_a_name_from_outside_where_a_shell_looks(name: str) -> None:
    upload = Upload(f"/srv/{name}", b"x", 0o600, name)
    (batch,) = upload_batches([upload])
    made = [
        files.read(name), files.read_if_there(name), files.remove(name),
        images.load(f"/srv/{name}", unpack=True), images.pin([Image(name, "", "", 0)]),
        kubectl.set_node(SetNode(name, ((name, name),), (name,), "[]")),
        etcd.answering((name,)), etcd.add(name), etcd.remove(name), etcd.promote(name),
        etcd.move_leader(name, name),
        nodes.get(name), nodes.cordon(name), nodes.drain(name, 1), nodes.pods(name),
        nodes.release_volumes(name), nodes.attached(name), nodes.delete(name),
        reset.remove_etcd(RemoveEtcd(name)),
        reset.remove_cluster(
            RemoveCluster((name,), (name,), (name,), node=True, keep_images=False)
        ),
        lease.acquire(at.LEASE, name, name, take={name}, before={name}),
        lease.release(at.LEASE, name, name, {name}, well=False),
        resources.apply(
            Converge(
                (
                    Directory(name, owner=name), Absent(name), Modules((name,)),
                    Sysctl(name, name), Unit(name), NoUnit(name, name),
                )
            )
        ),
        send_script(batch),
    ]  # fmt: skip
    for text in made:
        assert CANARY in text
        assert CANARY not in outside_quotes(text), text


@pytest.mark.parametrize("name", BITING)
def test_facts_are_asked_for_by_words_or_not_at_all(name: str) -> None:
    for query in (
        Query(files=(f"/srv/{name}",)), Query(contents=(f"/srv/{name}",)),
        Query(certificates=(f"/srv/{name}",)), Query(disks=(f"/srv/{name}",)),
        Query(units=(name,)), Query(packages=(name,)), Query(sysctls=(name,)),
    ):  # fmt: skip
        try:
            text = script(query)
        except ValueError:
            continue
        assert CANARY not in outside_quotes(text)


@pytest.fixture
def host_shell(tmp_path: Path) -> Path:
    """A folder whose bin/ctr writes down how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ctr"
    program.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >>calls\n')
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", BITING)
async def test_an_image_archive_of_any_name_is_loaded_and_nothing_else_is_done(
    name: str, host_shell: Path
) -> None:
    archive = host_shell / f"{name}.tar"
    archive.write_bytes(b"an archive")
    host = Host()
    delivery = Delivery(ArtifactSet(), Archives(host_shell / "archives"))
    wanted = LoadImages((Image("docker.io/library/app:1", f"archive:{archive}", "", 10),))
    await delivery.images(host.context(wanted))
    (there,) = host.files
    assert host.files[there] == b"an archive"
    assert Path(there).parent == Path(at.IMAGES)
    assert Path(there).name.removesuffix(".tar").isalnum()
    before = set(host_shell.iterdir())
    for text in host.scripts:
        subprocess.run(
            ["sh", "-c", text], cwd=host_shell, check=True,
            env={"PATH": f"{host_shell}/bin:{os.environ['PATH']}"},
        )  # fmt: skip
    assert set(host_shell.iterdir()) - before == {host_shell / "calls"}
    assert there in (host_shell / "calls").read_text().split("\0")
