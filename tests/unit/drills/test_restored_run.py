"""Whole runs in which the cluster is restored, against a simulated cluster on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from drill_cluster import Cluster
from drill_setting import setting_of

from kanae.drills.faults import power as power_faults
from kanae.drills.judging import history
from kanae.drills.judging.verdict import Result, Verdict
from kanae.drills.running import recovery_record, run_folder
from kanae.drills.running.orchestrator import Orchestrator
from kanae.drills.running.remedy import TakenBack
from kanae.errors import CheckFailed

FAR = 1_000_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_faults, "SILENT", frozenset(power_faults.Answer) - {"greets"})
    monkeypatch.setattr(power_faults, "SILENT_SECONDS", 2.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@dataclass
class Restoring:
    """A Remedy. silent: revisions go on from where they were, and nobody is told. loses: one key of
    before the backup. ghost: kube-proxy goes on with what it remembers. fails: at once.
    """

    cluster: Cluster
    folder: Path
    silent: bool = False
    loses: bool = False
    ghost: bool = False
    fails: bool = False
    revision: int = 0
    kept: Mapping[str, int] = field(default_factory=dict[str, int])

    async def secure(self) -> str:
        self.revision = self.cluster.store.revision
        self.kept = dict(self.cluster.store.objects)
        backup = self.folder / run_folder.BACKUPS
        backup.mkdir()
        (backup / "c.tar").touch()
        return "c.tar"

    async def restore(self) -> TakenBack:
        if self.fails:
            raise CheckFailed("the backup is gone")
        store, cluster = self.cluster.store, self.cluster
        kept = dict(self.kept)
        if self.loses:
            kept.pop(next(key for key in kept if key.startswith("w-")))
        async with store.changed:
            store.objects = kept
            store.events = []
            store.revision += FAR
            store.compacted = 0 if self.silent else store.revision
            reached = store.revision
        for server in cluster.servers.values():
            server.reset()
        if not self.ghost:
            cluster.led_to = 1
        cluster.replicas = 1
        return TakenBack(self.revision, reached, "a backup")


async def run(cluster: Cluster, folder: Path, remedy: Restoring) -> Verdict:
    setting = await setting_of(cluster.spec(), cluster.power, cluster.transport, folder)
    scenario = replace(setting.scenario, heals=("api", "node", "redundancy"), remedy="backup")
    setting = replace(setting, scenario=scenario, remedy=remedy)
    return await Orchestrator(setting).run()


async def test_a_restored_cluster_passes_and_what_the_backup_had_not_is_counted(
    cluster: Cluster, folder: Path
) -> None:
    verdict = await run(cluster, folder, Restoring(cluster, folder))
    assert verdict.result is Result.PASSED, verdict.reasons
    assert verdict.writes.lost == ()
    assert len(verdict.writes.undone) > 5
    assert verdict.writes.undone_seconds > 1
    assert set(verdict.heals) == {"api", "node", "redundancy"}
    assert set(verdict.proofs) == {"pods-undisturbed", "no-ghost-endpoints", "final-write"}
    assert [each.source for each in verdict.restored] == ["a backup"]
    assert [each.detail for each in verdict.backups] == ["c.tar"]
    assert all(watch.expired for watch in verdict.watches)
    # Two pods after the backup, one before it and after the restore.
    assert cluster.made == [1, 2]
    kept = history.read(folder / "history.jsonl.gz")
    assert kept.restored[0].at > (kept.fault("undo") or 0) > kept.changes[0].at
    # It holds every key of the cluster.
    assert not (folder / run_folder.BACKUPS).exists()


async def test_a_write_of_before_the_backup_that_is_not_there_fails_it(
    cluster: Cluster, folder: Path
) -> None:
    verdict = await run(cluster, folder, Restoring(cluster, folder, loses=True))
    assert verdict.result is Result.FAILED
    assert len(verdict.writes.lost) == 1
    assert (folder / run_folder.BACKUPS).exists()


async def test_watches_that_are_not_told_fail_it(cluster: Cluster, folder: Path) -> None:
    verdict = await run(cluster, folder, Restoring(cluster, folder, silent=True))
    assert verdict.result is Result.FAILED
    assert any("was not told to start again" in reason for reason in verdict.reasons)


async def test_what_kube_proxy_remembers_fails_it(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kanae.drills.running.ghosts._SECONDS", 2.0)
    verdict = await run(cluster, folder, Restoring(cluster, folder, ghost=True))
    assert verdict.result is Result.FAILED
    assert "kube-proxy on m1 leads to 10.1.0.2:80" in " ".join(verdict.reasons)


async def test_pods_that_did_not_outlive_it_fail_it(cluster: Cluster, folder: Path) -> None:
    @dataclass
    class Rough(Restoring):
        async def restore(self) -> TakenBack:
            self.cluster.first_process = 900
            return await super().restore()

    verdict = await run(cluster, folder, Rough(cluster, folder))
    assert verdict.result is Result.FAILED
    assert "ended or started anew: default/web (main) on m1" in " ".join(verdict.reasons)


async def test_a_restore_that_fails_is_said_with_what_is_left_to_do(
    cluster: Cluster, folder: Path
) -> None:
    with pytest.raises(CheckFailed, match="the backup is gone"):
        await run(cluster, folder, Restoring(cluster, folder, fails=True))
    assert run_folder.backup_in(folder) == folder / run_folder.BACKUPS / "c.tar"
    # The API of the simulation answers all the same, so that all could be put back.
    assert not recovery_record.kept(folder)
