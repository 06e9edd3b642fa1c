"""Replacing a host: whether it leaves first, and the edit of the spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

import pytest

from kanae.errors import AuthenticationFailed, ConnectError, HostKeyChanged, Refused
from kanae.execute.events import RunEnded, RunStarted
from kanae.execute.journal import Journal
from kanae.facts.model import Facts
from kanae.layout import marks
from kanae.operations import replace as replacing
from kanae.operations.apply import Apply
from kanae.operations.change import Changed, Ending
from kanae.operations.project import Project
from kanae.plan.model import Plan
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet

from .desk import SPEC, Desk, facts

NEW = IPv4Address("192.0.2.9")


def project(folder: Path) -> Project:
    file = folder / "cluster.yaml"
    file.write_text(f"{SPEC}  c1: {{address: 192.0.2.3, roles: [client]}}\n")
    return Project.open(file)


@pytest.mark.parametrize(
    ("host", "moved", "lives", "leaves"),
    [
        ("w1", False, False, True),
        ("w1", True, False, True),
        ("c1", False, False, False),
        ("c1", True, False, True),
        ("c1", False, True, True),
    ],
)
async def test_a_host_leaves_first_unless_it_is_dead_holds_nothing_and_its_address_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    moved: bool,
    lives: bool,
    leaves: bool,
) -> None:
    """A balancer or a client at another address would be refused for ever: the cluster remembers
    where it was."""
    opened, seen = project(tmp_path), list[tuple[str, ...]]()

    async def change(project: Project, *_: Any, **more: Any) -> Changed:
        seen.append(tuple(project.spec.hosts))
        return Changed(Ending.DONE, Facts({}), Plan("demo", ()))

    async def prepared(_: Project, hosts: Sequence[str], *__: Any) -> frozenset[str]:
        return frozenset(hosts if lives else ())

    monkeypatch.setattr(replacing, "change", change)
    monkeypatch.setattr(replacing, "prepared", prepared)
    await replacing.replace(opened, [host], (), Desk(), Desk(), moved=moved)
    everybody = tuple(opened.spec.hosts)
    without = tuple(each for each in everybody if each != host)
    assert seen == ([without, everybody] if leaves else [everybody])


async def test_hosts_that_are_replaced_together_leave_together_but_the_endpoints_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is dead would else be waited for while the worker leaves."""
    (tmp_path / "cluster.yaml").write_text(
        f"{SPEC}  c1: {{address: 192.0.2.3, roles: [client]}}\n"
        "  b1: {address: 192.0.2.4, roles: [load-balancer]}\n"
    )
    opened, seen = Project.open(tmp_path / "cluster.yaml"), list[tuple[str, ...]]()

    async def change(project: Project, apply: Apply, *_: Any, **more: Any) -> Changed:
        seen.append((*project.spec.hosts, *apply.off))
        return Changed(Ending.DONE, Facts({}), Plan("demo", ()))

    monkeypatch.setattr(replacing, "change", change)
    await replacing.replace(opened, ["w1", "c1", "b1"], (), Desk(), Desk(), off=["w1", "c1"])
    assert seen == [("m1", "b1", "w1", "c1"), ("m1", "w1", "c1", "b1")]


@pytest.mark.parametrize(
    ("of", "counts", "ours", "leaves"),
    [
        ("w1", None, True, False),
        ("w1", {"changed": 3, "indeterminate": 1}, True, False),
        ("w1", None, False, True),
        ("w1", {"changed": 3, "ok": 1}, True, True),
        ("c1", None, True, True),
        ("", None, True, True),
    ],
    ids=["killed", "failed", "lost in its turn", "ended well", "another's", "an apply"],
)
async def test_a_successor_whose_joining_was_cut_off_is_not_taken_out_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    of: str,
    counts: dict[str, int] | None,
    ours: bool,
    leaves: bool,
) -> None:
    """It answers under the name of the host that it replaces."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    opened, seen = project(tmp_path), list[tuple[str, ...]]()
    purposes: list[str] = []

    async def change(project: Project, apply: Apply, *_: Any, **more: Any) -> Changed:
        seen.append(tuple(project.spec.hosts))
        purposes.append(apply.purpose)
        return Changed(Ending.DONE, Facts({}), Plan("demo", ()))

    class Tried(Fleet):
        async def __aenter__(self) -> Self:
            return self

        def __iter__(self) -> Iterator[str]:
            return iter(["w1"])

        def __getitem__(self, host: str) -> Any:
            return None

    async def gather(*_: Any) -> Facts:
        return facts("w1", marks={marks.CLUSTER: "demo"} if ours else {})

    monkeypatch.setattr(replacing, "Fleet", Tried)
    monkeypatch.setattr(replacing, "gather", gather)
    monkeypatch.setattr(replacing, "change", change)
    purpose = ""
    if of:
        await replacing.replace(opened, [of], (), Desk(), Desk())
        purpose = purposes[-1]
    for run, started in (("20261126T100000-a", ""), ("20261126T110000-b", purpose)):
        with Journal("demo", run) as journal:
            journal.record(RunStarted(1.0, run, "demo", 4, started))
            if counts is not None:
                journal.record(RunEnded(2.0, run, counts))
    seen.clear()
    await replacing.replace(opened, ["w1"], (), Desk(), Desk())
    assert seen == ([("m1", "c1")] if leaves else []) + [("m1", "w1", "c1")]


def test_the_edited_spec_is_written_through_a_link_and_its_mode_stays(tmp_path: Path) -> None:
    opened = project(tmp_path)
    opened.file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(opened.file)
    opened = Project.open(link)
    written = replacing.write(opened, replacing.edited(opened, "w1", "w9", NEW))
    assert set(written.spec.hosts) == {"m1", "w9", "c1"}
    assert link.is_symlink()
    assert link.stat().st_mode & 0o777 == 0o640


def test_what_somebody_else_has_edited_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    opened = project(tmp_path)
    text = replacing.edited(opened, "w1", "w9", NEW)
    theirs = f"{opened.file.read_text()}# theirs\n"
    opened.file.write_text(theirs)
    with pytest.raises(Refused, match="has been edited since it was read"):
        replacing.write(opened, text)
    assert opened.file.read_text() == theirs


def test_who_has_the_address_of_the_endpoint_keeps_it(tmp_path: Path) -> None:
    opened = project(tmp_path)
    assert opened.spec.endpoint_host == "192.0.2.1"
    with pytest.raises(Refused, match="m1 has the address of the endpoint"):
        replacing.edited(opened, "m1", "m9", NEW)


@pytest.mark.parametrize(
    ("error", "cut"),
    [
        (ConnectError("w1", "no route to host"), True),
        (None, False),
        (HostKeyChanged("w1", "another key"), False),
        (AuthenticationFailed("w1", "no key is let in"), False),
    ],
    ids=["silent", "answers", "another machine", "installed anew"],
)
async def test_what_answers_keeps_its_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ConnectError | None, cut: bool
) -> None:
    """A run that goes on would else cut the successor's."""
    done: list[str] = []

    class Tried(Fleet):
        async def __aenter__(self) -> Self:
            self.unreachable = {} if error is None else {"w1": error}
            return self

    class Cord:
        async def cut(self, host: str) -> None:
            done.append(host)

    def power_of(_: Spec) -> Cord:
        return Cord()

    monkeypatch.setattr(replacing, "Fleet", Tried)
    monkeypatch.setattr(replacing, "power_of", power_of)
    assert await replacing.cut_power(project(tmp_path), "w1", lambda: None) is cut
    assert done == (["w1"] if cut else [])


async def test_a_successor_of_another_name_joins_in_the_plan_in_which_the_host_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = project(tmp_path)
    edited = replacing.write(opened, replacing.edited(opened, "w1", "w9", NEW))
    seen: list[tuple[tuple[str, ...], Apply]] = []

    async def change(project: Project, apply: Apply, *_: Any, **more: Any) -> Changed:
        seen.append((tuple(project.spec.hosts), apply))
        return Changed(Ending.DONE, Facts({}), Plan("demo", ()))

    monkeypatch.setattr(replacing, "change", change)
    assert replacing.put_already(edited, "w1", "w9", NEW)
    await replacing.replace(edited, ["w1"], (), Desk(), Desk(), off=["w1"], moved=True)
    assert seen == [(("m1", "w9", "c1"), Apply((), ("w1",), replacing=True))]
