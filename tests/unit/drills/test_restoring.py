"""Drills that destroy data: what is refused, what is judged, and what is proven of a restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from drill_histories import FAULT, KEPT_WRITE, UNDO, WATCH, good
from test_safety import facts_of, spec_of

from kanae.drills.judging import accounts
from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result
from kanae.drills.records import History, Restored, WatchState
from kanae.drills.running import ghosts, undisturbed
from kanae.drills.running.restoring import ready
from kanae.drills.running.undisturbed import Container
from kanae.drills.scenarios import safety
from kanae.drills.scenarios.catalogue import find
from kanae.errors import Refused
from kanae.report.drill_text import verdict_text
from kanae.spec.models import Spec

BACKUP = FAULT - 5


def restored(run: History, revision: int, reached: int = 10**9) -> History:
    """The run with a restore: what was written beyond a revision is gone, and writes go on far
    beyond it; every watch has been told so.
    """
    end = UNDO + 5
    gone = {r.key for r in run.requests if r.key and revision < r.revision and r.at < FAULT}
    failed = {r.key for r in run.requests if r.key and FAULT <= r.at < end}

    def later(key: str, at: float, old: int) -> int:
        return old + reached if key and at >= end else old

    requests = tuple(
        replace(r, outcome="refused", status=0, revision=0)
        if FAULT <= r.at < end
        else replace(r, revision=later(r.key, r.at, r.revision))
        for r in run.requests
    )
    watch = tuple(
        replace(e, revision=later(e.key, e.at, e.revision))
        for e in run.watch
        if e.key not in failed
    )
    expired = tuple(
        WatchState(s.id, end, "expired", revision) for s in run.header.streams if s.kind == "watch"
    )
    backs = tuple(
        replace(
            b,
            revision=2 * reached,
            keys=tuple(k for k in b.keys if k not in gone and k not in failed),
        )
        for b in run.read_backs
    )
    return replace(
        run,
        requests=requests,
        watch=watch,
        watch_states=(*run.watch_states, *expired),
        read_backs=backs,
        restored=(Restored(end, revision, reached, 5.0, "a backup"),),
    )


def at_backup(run: History) -> int:
    return max(r.revision for r in run.requests if r.revision and r.end < BACKUP)


def test_writes_after_the_backup_are_counted_and_not_lost() -> None:
    run = restored(good(), at_backup(good()))
    verdict = check(run)
    assert verdict.writes.lost == ()
    assert verdict.writes.differing == ()
    assert verdict.result is Result.PASSED, verdict.reasons
    after = [r for r in good().requests if r.key and r.end >= BACKUP and r.at < FAULT]
    assert len(verdict.writes.undone) == len(after) > 50
    # The first was acknowledged right after the last that is in the backup.
    assert FAULT - BACKUP - 0.2 < verdict.writes.undone_seconds < FAULT - BACKUP + 0.2
    text = verdict_text(verdict)
    assert "Restored from a backup in 5.00 s" in text
    assert f"gone: {len(after)} writes" in text


def test_one_of_before_the_backup_is_lost() -> None:
    run = restored(good(), at_backup(good()))
    lost = next(r.key for r in run.requests if r.stream == KEPT_WRITE.id and 0 < r.at < BACKUP)
    backs = tuple(replace(b, keys=tuple(k for k in b.keys if k != lost)) for b in run.read_backs)
    verdict = check(replace(run, read_backs=backs))
    assert verdict.result is Result.FAILED
    assert verdict.writes.lost == (lost,)


def test_one_of_after_the_restore_is_lost_too() -> None:
    run = restored(good(), at_backup(good()))
    lost = next(r.key for r in run.requests if r.stream == KEPT_WRITE.id and r.at > UNDO + 10)
    backs = tuple(replace(b, keys=tuple(k for k in b.keys if k != lost)) for b in run.read_backs)
    assert check(replace(run, read_backs=backs)).writes.lost == (lost,)


def test_without_a_restore_nothing_is_undone() -> None:
    writes = accounts.writes(good())
    assert (writes.undone, writes.undone_seconds) == ((), 0.0)
    run = restored(good(), at_backup(good()))
    assert check(replace(run, restored=())).writes.lost


def test_a_watch_that_was_not_told_to_start_again_fails_the_run() -> None:
    run = restored(good(), at_backup(good()))
    states = tuple(s for s in run.watch_states if (s.stream, s.state) != (WATCH.id, "expired"))
    verdict = check(replace(run, watch_states=states))
    assert verdict.result is Result.FAILED
    assert "was not told to start again (410)" in verdict.reasons[0]


# What is refused, and which hosts are taken


def for_drills(spec: Spec) -> Spec:
    policies = spec.policies.model_copy(update={"destructive_drills": True})
    return spec.model_copy(update={"policies": policies})


@pytest.mark.parametrize("name", ["etcd-loss", "quorum-loss", "all-masters-loss"])
def test_data_is_destroyed_only_where_the_spec_says_that_it_may_be(name: str) -> None:
    drill = find(name)
    with pytest.raises(Refused, match="destructiveDrills"):
        safety.require_expendable(drill, spec_of(), ())
    safety.require_expendable(drill, for_drills(spec_of()), ())
    with pytest.raises(Refused, match="not whole"):
        safety.require_expendable(drill, for_drills(spec_of()), ("m2 cannot be reached",))
    safety.require_expendable(find("power-cut"), spec_of(), ("m2 cannot be reached",))


def test_hosts_of_a_loss_are_all_or_most() -> None:
    spec = spec_of(external=True)
    facts = facts_of(spec)
    assert safety.choose(find("etcd-loss"), spec, facts) == ("e1", "e2", "e3")
    assert safety.choose(find("all-masters-loss"), spec, facts) == ("m1", "m2", "m3")
    left = [
        {"e1", "e2", "e3"} - set(safety.choose(find("quorum-loss"), spec, facts, None, turn))
        for turn in range(3)
    ]
    assert left == [{"e1"}, {"e2"}, {"e3"}]
    with pytest.raises(Refused, match="cannot be the target"):
        safety.choose(find("etcd-loss"), spec, facts, "e1")


def test_a_lone_member_leaves_no_survivor() -> None:
    spec = spec_of(vip=False, masters=1)
    with pytest.raises(Refused, match="a member of etcd that is left"):
        safety.choose(find("quorum-loss"), spec, facts_of(spec))


# Pods


def pod(name: str, node: str, container: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": name, **metadata},
        "spec": {"nodeName": node},
        "status": {
            "containerStatuses": [
                {
                    "name": "main",
                    "containerID": f"containerd://{container}",
                    "state": {"running": {"startedAt": "x"}},
                }
            ]
        },
    }


def test_pods_that_begin_anew_on_purpose_are_not_looked_at() -> None:
    pods = [
        pod("web", "w1", "aa"),
        pod("proxy", "w1", "bb", ownerReferences=[{"kind": "DaemonSet"}]),
        pod("once", "w1", "cc", ownerReferences=[{"kind": "Job"}]),
        pod("api", "w1", "dd", annotations={"kubernetes.io/config.mirror": "x"}),
        pod("leaving", "w1", "ee", deletionTimestamp="now"),
        pod("elsewhere", "m1", "ff"),
    ]
    assert undisturbed.lasting(pods, ["w1"]) == (Container("aa", "w1", "default/web", "main"),)


def test_a_container_is_known_by_its_oldest_process() -> None:
    listed = "7 100 aa\n9 90 aa\n12 90 aa\n5 1 bb\n \n8 12\n"
    before = undisturbed.first_processes(listed)
    assert before == {"aa": (90, 9), "bb": (1, 5)}
    web, other = Container("aa", "w1", "a", "m"), Container("bb", "w1", "b", "m")
    after: Mapping[str, tuple[int, int]] = {"aa": (90, 9), "bb": (200, 77)}
    assert undisturbed.disturbed((web, other), before, after) == (other,)
    assert undisturbed.disturbed((web,), before, {}) == (web,)


# Endpoints


def slices(*addresses: str, ok: bool = True, port: int = 80) -> list[dict[str, Any]]:
    return [
        {
            "addressType": "IPv4",
            "ports": [{"port": port}],
            "endpoints": [{"addresses": list(addresses), "conditions": {"ready": ok}}],
        },
        {"addressType": "IPv6", "ports": [{"port": 80}], "endpoints": [{"addresses": ["::1"]}]},
        {"addressType": "IPv4", "ports": None, "endpoints": None},
    ]


def test_endpoints_are_those_of_slices_ready_or_not() -> None:
    wanted = frozenset({"10.1.0.1:80", "10.1.0.2:80"})
    assert ghosts.endpoints(slices("10.1.0.1", "10.1.0.2", ok=False)) == wanted
    assert ghosts.endpoints(ready(slices("10.1.0.1", ok=False))) == frozenset()
    assert ghosts.endpoints(ready(slices("10.1.0.1"))) == frozenset({"10.1.0.1:80"})


def test_what_kube_proxy_is_read_to_lead_to_has_to_be_endpoints() -> None:
    assert ghosts.programmed("10.1.0.1:80\n10.1.0.2:6443\n") == {"10.1.0.1:80", "10.1.0.2:6443"}
    for wrong in ("kube-proxy does not run", "10.1.0.1:http", "[::1]:80"):
        with pytest.raises(ValueError):
            ghosts.programmed(wrong)
