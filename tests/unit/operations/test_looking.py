"""Operations that change nothing on hosts: preview, check, status, kubeconfig."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from kanae.errors import ConnectError, KanaeError, UsageError
from kanae.execute import kubeconfig as kubeconfigs
from kanae.facts.model import Facts, Query
from kanae.layout import marks
from kanae.operations import check, kubeconfig, preview, status
from kanae.operations.project import Project
from kanae.plan.model import Change, Plan, Verb
from kanae.report.plan_text import plan_text
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet, FleetError
from kanae.transport.protocol import Completed
from kanae.verify.model import Subject

from .desk import SPEC, facts, project, steps

ADMIN = """apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: kubernetes-admin, user: {token: secret}}]
contexts: [{name: a@b, context: {cluster: kubernetes, user: kubernetes-admin}}]
"""
EDIT = steps("one", "another")


def nobody() -> str | None:
    return None


class Shell:
    """A host that answers every script in the same way."""

    def __init__(self, host: str, answer: Completed | None) -> None:
        self.host = host
        self.answer = answer

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        if self.answer is None:
            raise ConnectError(self.host, "gone")
        return self.answer


class Hosts(Fleet):
    """answers: by host; None for one that cannot be reached."""

    answers: Mapping[str, Completed | None] = {}

    async def __aenter__(self) -> Self:
        shells: Any = {host: Shell(host, answer) for host, answer in self.answers.items()}
        self._transports = shells
        return self

    async def __aexit__(self, *raised: object) -> None: ...


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for module in (check, kubeconfig, preview, status):
        monkeypatch.setattr(module, "Fleet", Hosts)


def _surveyed(monkeypatch: pytest.MonkeyPatch, found: Facts) -> None:
    async def survey(project: Project, fleet: Fleet) -> Facts:
        return found

    monkeypatch.setattr(preview, "survey", survey)


async def test_a_preview_of_some_hosts_names_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _surveyed(monkeypatch, facts("m1", "w1"))
    whole = await preview.preview(project(tmp_path), nobody)
    assert {step.host for step in whole.plan} >= {"m1", "w1"}
    assert whole.lost is None
    _surveyed(monkeypatch, facts("m1"))
    part = await preview.preview(project(tmp_path), nobody)
    assert "w1" not in {step.host for step in part.plan}
    assert part.lost is not None
    assert list(part.lost.errors) == ["w1"]
    assert part.plan.notes[-1] == "w1 is left out: it cannot be reached"
    assert "everything is as the spec says" not in plan_text(replace(part.plan, steps=()))
    # One that leaves need not answer; what follows for it the plan itself says.
    leaves = {"w9": ConnectError("w9", "no route to host")}
    _surveyed(monkeypatch, replace(facts("m1", "w1"), unreachable=leaves))
    rest = await preview.preview(project(tmp_path), nobody)
    assert rest.lost is None
    assert not any("w9 is left out" in note for note in rest.plan.notes)


async def test_a_refusal_that_may_come_of_a_lost_host_is_that_hosts_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = {marks.CLUSTER: "another"}
    _surveyed(monkeypatch, facts("m1", marks=foreign))
    with pytest.raises(FleetError):
        await preview.preview(project(tmp_path), nobody)
    _surveyed(monkeypatch, facts("m1", "w1", marks=foreign))
    with pytest.raises(KanaeError, match="another") as refused:
        await preview.preview(project(tmp_path), nobody)
    assert not isinstance(refused.value, FleetError)


async def test_a_check_refuses_names_that_there_are_not_before_hosts_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def inspect(spec: Spec, fleet: Fleet, *, upgrade: bool) -> Subject:
        assert not upgrade
        return Subject(spec, facts("m1"))

    def gone(project: Project, arches: frozenset[str]) -> tuple[str, ...]:
        assert arches == {"amd64"}
        return ("binary/kubeadm/amd64",)

    monkeypatch.setattr(check, "inspect", inspect)
    monkeypatch.setattr(check, "unobtainable", gone)
    found = await check.check(project(tmp_path), ["clock"], nobody)
    assert {"reachable", "artifacts"} <= {finding.check for finding in found.findings}
    assert found.subject.missing_artifacts == ("binary/kubeadm/amd64",)
    monkeypatch.delattr(check, "inspect")
    with pytest.raises(UsageError, match="no check called nonsense"):
        await check.check(project(tmp_path), ["nonsense"], nobody)


@pytest.mark.parametrize(
    ("hosts", "drift"), [(("m1", "w1"), 2), (("m1",), None)], ids=["all", "one is lost"]
)
async def test_drift_is_told_only_of_whole_clusters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hosts: tuple[str, ...], drift: int | None
) -> None:
    async def ask(fleet: Fleet, queries: Mapping[str, Query]) -> Facts:
        assert {q.address for q in queries.values()} == {"192.0.2.1", "192.0.2.2"}
        return facts(*hosts)

    def plan(self: Project, facts: Facts, artifacts: object) -> Plan:
        one = Change(Verb.UPDATE, "file", "/etc/hosts")
        return replace(EDIT, steps=tuple(replace(step, changes=(one,)) for step in EDIT))

    monkeypatch.setattr(
        Hosts, "answers", {"m1": Completed(0, b"", ""), "w1": Completed(0, b"", "")}
    )
    monkeypatch.setattr(status, "ask", ask)
    monkeypatch.setattr(Project, "plan", plan)
    found = await status.status(project(tmp_path), nobody)
    assert found.drift == drift
    assert found.differs == ({"m1": ("update file /etc/hosts",) * 2} if drift else {})
    assert list(found.unreachable) == [host for host in ("m1", "w1") if host not in hosts]


async def test_credentials_are_kept_and_merged_for_nobody_else_to_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = project(tmp_path).spec
    monkeypatch.setattr(Hosts, "answers", {"m1": Completed(0, ADMIN.encode(), "")})
    ours = await kubeconfig.fetch(spec, nobody)
    assert ours["current-context"] == "demo"
    async with Hosts(spec) as fleet:
        kept = await kubeconfig.keep(spec, fleet)
    assert kept == tmp_path / "state/kanae/clusters/demo/kubeconfig"
    own = tmp_path / "config"
    own.write_text("apiVersion: v1\nkind: Config\ncurrent-context: theirs\nusers: []\n")
    own.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to("config")
    kubeconfig.merge_into(link, ours)
    assert link.is_symlink()
    for file in (kept, own):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "token: secret" in file.read_text()
    assert "current-context: theirs" in own.read_text()
    assert kept.read_text() == kubeconfigs.to_text(ours)
    kubeconfig.forget(spec)
    kubeconfig.forget(spec)
    assert not kept.exists()


@pytest.mark.parametrize(
    ("answer", "told"),
    [(None, "gone"), (Completed(1, b"", "No such file"), "not built yet: kanae apply")],
)
async def test_where_no_host_gives_credentials_each_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Completed | None, told: str
) -> None:
    monkeypatch.setattr(Hosts, "answers", {"m1": answer})
    with pytest.raises(FleetError, match=told):
        await kubeconfig.fetch(project(tmp_path).spec, nobody)


def test_the_own_file_is_the_one_that_kubectl_would_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path}/a:{tmp_path}/b")
    assert kubeconfig.own_file() == tmp_path / "a"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfig.own_file() == tmp_path / ".kube/config"


# What an apply with nothing to do must not wait for.
LATE = (
    "rich",
    "kanae.drills",
    "kanae.execute.actions",
    "kanae.execute.lease",
    "kanae.execute.scheduler",
    "kanae.operations.carry_out",
    "kanae.operations.kubeconfig",
    "kanae.verify.checks",
)
NO_OP = """
import sys
from kanae.cli import main
from kanae.execute.journal import new_run_id
from kanae.facts.model import Facts
from kanae.operations import change
from kanae.operations.project import Project
from kanae.plan.model import Change, Plan, Verb
from kanae.report.plan_text import plan_text

class Fleet:
    def __init__(self, spec, **more): pass
    async def __aenter__(self): return self
    async def __aexit__(self, *raised): pass

async def survey(project, fleet):
    return Facts({})

change.Fleet, change.survey = Fleet, survey
Project.plan = lambda self, *asked, **more: Plan(self.spec.name)
main(["apply", sys.argv[1]])
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_an_apply_with_nothing_to_do_imports_nothing_that_carries_plans_out(tmp_path: Path) -> None:
    spec = tmp_path / "cluster.yaml"
    spec.write_text(SPEC)
    done = subprocess.run(
        [sys.executable, "-c", NO_OP, str(spec), *LATE],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
    assert "nothing to do" in done.stdout
