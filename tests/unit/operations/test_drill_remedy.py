"""How a drill has the cluster restored: saved and judged before the loss, then as by hand."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kanae.drills.cluster.power import BmcPower
from kanae.drills.running import run_folder
from kanae.errors import CheckFailed, NoBackup, Refused
from kanae.operations import drill_remedy
from kanae.operations.drill_remedy import Agreed, Restoration, raised
from kanae.plan.actions import RestoreSnapshot, StopNode
from kanae.plan.model import Plan, Step
from kanae.plan.saved import Saved
from kanae.spec.models import Spec
from kanae.transport.acceptance import HostKeys

from .desk import Desk, facts, project

SAVED = Saved("demo", "a" * 32, "now", "v1.37.2", "3.7.3", "stacked", 7, (), "", "b" * 64, 1, "")


def restoring(*bumps: int) -> Plan:
    """A step that restores a member for each, beside another one."""
    steps = [
        Step(
            f"m{number}/x",
            "m1",
            "x",
            "x",
            RestoreSnapshot("", "b" * 64, 1, "", "", "a", "m1", "", "", bump),
        )
        for number, bump in enumerate(bumps)
    ]
    return Plan("demo", (Step("m1/y", "m1", "y", "y", StopNode()), *steps))


class Known(BmcPower):
    async def host_key(self, host: str) -> str | None:
        return f"SHA256:of-{host}"


@dataclass
class Around:
    """What the remedy calls, in order; and what it was called with."""

    log: list[str] = field(default_factory=list[str])
    keys: list[HostKeys | None] = field(default_factory=list[HostKeys | None])
    refuses: bool = False

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncGenerator[None]:
        self.log.append("give the lease")
        yield
        self.log.append("take the lease")


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Around:
    made, desk = Around(), Desk(surveys=[facts("m1", "w1")])

    async def create(of: object, target: Any, *more: object) -> Any:
        made.log.append("backup")
        (target.staging / "demo.tar").touch()
        return SimpleNamespace(name="demo.tar", size=10**6)

    @contextlib.contextmanager
    def opened(file: Path, identity_file: Path | None) -> Generator[Saved]:
        made.log.append(f"open {file.name}")
        yield SAVED

    def refuse(view: object, saved: Saved) -> None:
        made.log.append("judge")
        if made.refuses:
            raise Refused("no room")

    async def restored(
        of: object, saved: Saved, building: Agreed, asked: Callable[[], Agreed], **more: Any
    ) -> Any:
        made.log.append(f"restore revision {saved.revision}")
        made.keys.append(more["host_keys"])
        assert await asked().decide(restoring(5), again=False)
        return SimpleNamespace(plan=restoring(5, 5))

    async def survivor(
        of: object, host: str, folder: Path, password: object, keys: HostKeys
    ) -> Saved:
        made.log.append(f"take what {host} has")
        return replace(SAVED, revision=9)

    @contextlib.asynccontextmanager
    async def scratch(of: object, transport: Any, arch: str) -> AsyncGenerator[bool]:
        made.log.append(f"room for a member on {transport.host}")
        yield True

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(drill_remedy.backup, "create", create)
    for name, instead in (
        ("opened", opened), ("refuse", refuse), ("restored", restored),
        ("survivor", survivor), ("Fleet", desk.fleet()), ("survey", desk.survey),
        ("scratch", scratch),
    ):  # fmt: skip
        monkeypatch.setattr(drill_remedy, name, instead)
    return made


def remedy(around: Around, folder: Path, **more: Any) -> Restoration:
    opened = project(folder)
    given: dict[str, Any] = {"member": None, "blank": (), **more}
    console = Agreed(lambda: None, around.log.append)
    return Restoration(
        opened, folder, power=known(opened.spec), console=console, lent=around.lent, **given
    )


def known(spec: Spec) -> Known:
    return Known(spec)


async def test_what_would_not_be_restored_is_told_before_anything_is_lost(
    around: Around, tmp_path: Path
) -> None:
    around.refuses = True
    with pytest.raises(Refused, match="no room"):
        await remedy(around, tmp_path).secure()
    assert around.log == ["backup", "open demo.tar", "judge"]


async def test_the_runs_own_backup_is_restored_while_another_holds_the_lease(
    around: Around, tmp_path: Path
) -> None:
    own = remedy(around, tmp_path, blank=("m1",))
    with pytest.raises(NoBackup):
        await own.restore()
    around.log.clear()
    assert await own.secure() == "demo.tar, 1.0 MB, revision 7"
    assert (tmp_path / run_folder.BACKUPS).stat().st_mode & 0o077 == 0
    back = await own.restore()
    assert (back.revision, back.reached, back.source) == (7, 12, "demo.tar")
    assert around.log[3:] == [
        "give the lease",
        "open demo.tar",
        "restore revision 7",
        "take the lease",
    ]
    # Of the blank machine, which nobody could have accepted before.
    [keys] = around.keys
    assert keys is not None
    assert keys.accepted == {"SHA256:of-m1"}


async def test_of_a_lost_quorum_what_one_member_has_is_restored(
    around: Around, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = remedy(around, tmp_path, member="m1")

    def there(fleet: object, host: str) -> SimpleNamespace:
        return SimpleNamespace(host=host)

    monkeypatch.setattr(drill_remedy.Fleet, "__getitem__", there)
    await own.secure()
    assert around.log[-1] == "room for a member on m1"
    back = await own.restore()
    assert (back.revision, back.reached, back.source) == (9, 14, "the member on m1")
    assert "take what m1 has" in around.log
    [keys] = around.keys
    assert keys is not None
    assert not keys.accepted


def test_by_how_much_the_revision_was_raised_is_told_by_one_plan() -> None:
    assert raised(restoring(5, 5, 5)) == 5
    for other in (restoring(), restoring(5, 6)):
        with pytest.raises(CheckFailed):
            raised(other)
