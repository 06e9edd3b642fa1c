"""Thresholds, history files, parsers, records: what is read and written."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from drill_histories import good
from hypothesis import given
from hypothesis import strategies as st

from kanae.drills.cluster import credentials, etcd
from kanae.drills.cluster.power import Direction
from kanae.drills.faults.protocol import FaultPlan
from kanae.drills.judging import history, thresholds
from kanae.drills.probing.client import HttpRequest
from kanae.drills.probing.pipelining import encode
from kanae.drills.probing.writing import Writer
from kanae.drills.records import Leader, Note, Record, Request
from kanae.drills.running import recovery_record
from kanae.drills.running.proofs import image_of, manifest, standing
from kanae.drills.scenarios.catalogue import DRILLS
from kanae.errors import UsageError


def records(run: history.History) -> list[Record]:
    return [
        run.header, *run.phases, *run.requests[:500], *run.watch[:500], *run.watch_states,
        *run.faults, *run.evidence, *run.health, *run.leaders, *run.hashes, *run.heals,
        *run.proofs, *run.read_backs, *run.lags, *run.machine, *run.clocks,
    ]  # fmt: skip


def write(path: Path, what: Sequence[Record]) -> None:
    writer = Writer(path)
    for each in what:
        writer.add(each)
    writer.close()


def test_a_history_reads_back_as_written_also_compressed(tmp_path: Path) -> None:
    run = good()
    path = tmp_path / "history.jsonl"
    write(path, records(run))
    assert path.stat().st_mode & 0o777 == 0o600
    plain = history.read(path)
    assert plain.requests == run.requests[:500]
    assert plain.header == run.header
    packed = history.compress(path)
    assert not path.exists()
    assert history.read(packed) == plain


@given(st.integers(1, 4000))
def test_a_torn_end_costs_one_record_at_most(cut: int) -> None:
    run = good()
    note = Note(1.0, "info", "x" * 10)
    whole = [run.header, *run.requests[:20], note]
    folder = Path(os.environ.get("TMPDIR", "/tmp"))  # hypothesis cannot use tmp_path
    path = folder / f"kanae-torn-{os.getpid()}.jsonl"
    try:
        write(path, whole)
        data = path.read_bytes()
        header = data.index(b"\n", 1)
        path.write_bytes(data[: max(header + 1, len(data) - cut)])
        torn = history.read(path)
        assert torn.broken == 0
        kept = data[: len(data) - cut].count(b'"k":"request"}')
        assert len(torn.requests) >= min(kept, 20) if len(data) - cut > header else True
    finally:
        path.unlink()


def test_a_torn_line_in_the_middle_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    run = good()
    write(path, [run.header])
    with path.open("ab") as file:
        file.write(b'{"stream":1,"la')
    write(path, [run.requests[0]])
    found = history.read(path)
    assert found.requests == (run.requests[0],)
    assert found.broken == 1


def test_a_truncated_gzip_file_is_torn_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, records(good()))
    packed = history.compress(path)
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) * 3 // 4])
    found = history.read(packed)
    assert found.torn
    assert found.requests


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"k":"phase","at":1,"name":"steady"}\n'])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="header is missing"):
        history.read(path)


def test_histories_of_another_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, [replace(good().header, format=99)])
    with pytest.raises(UsageError, match="format 99"):
        history.read(path)


def test_histories_by_which_nothing_can_be_judged_are_refused(tmp_path: Path) -> None:
    header = good().header
    first, *rest = header.streams
    for number, damaged in enumerate(
        (
            replace(header, validity={"max-lag-p99": 0.05}),
            replace(header, streams=(replace(first, period=0.0), *rest)),
            replace(header, streams=(*rest, replace(first, lanes=0))),
        )
    ):
        path = tmp_path / f"{number}.jsonl"
        write(path, [damaged])
        with pytest.raises(UsageError, match="damaged"):
            history.read(path)


def test_every_bound_of_the_file_is_in_force_and_no_other_is_taken() -> None:
    data = thresholds.load()
    assert thresholds.validity(data) == data["validity"]
    with pytest.raises(UsageError, match="no bound max-wait"):
        thresholds.validity({"validity": {**thresholds.validity(data), "max-wait": 1.0}})


@pytest.mark.parametrize("balancer", ["haproxy", "nginx"])
def test_every_drill_has_limits_and_every_limit_a_drill(balancer: str) -> None:
    data = thresholds.load()
    for name in DRILLS:
        assert thresholds.limits(data, name, balancer)
    assert set(data["drill"]) == set(DRILLS)  # pyright: ignore[reportArgumentType] # parsed TOML


def test_limits_differ_by_balancer() -> None:
    data = thresholds.load()
    assert thresholds.limits(data, "power-cut", "haproxy")["new.any.gap"] == 0.4
    assert thresholds.limits(data, "power-cut", "nginx")["new.any.gap"] == 1.1


def test_limits_for_a_lost_leader_are_a_table_within_a_drills_own(tmp_path: Path) -> None:
    data = thresholds.load()
    assert thresholds.leader_limits(data, "power-cut", "haproxy")["kept.any.gap"] == 1.5
    assert thresholds.leader_limits(data, "power-cut", "nginx")["kept.any.gap"] == 3.0
    assert thresholds.leader_limits(data, "kill-etcd-leader", "nginx") == {}
    assert "leader" not in thresholds.limits(data, "power-cut", "haproxy")
    path = tmp_path / "t.toml"
    for wrong in ("[drill.pause]\nleader = 1\n", "[drill.pause.leader]\nmood = 1\n"):
        path.write_text(wrong)
        with pytest.raises(UsageError, match="thresholds"):
            thresholds.leader_limits(thresholds.load(path), "pause", "haproxy")


def test_a_history_of_an_older_kanae_is_read_without_what_it_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, [good().header, Leader(1.0, "a")])
    lines = [json.loads(line) for line in path.read_bytes().splitlines() if line]
    for new in ("fault", "leader_limits", "host"):
        for line in lines:
            line.pop(new, None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = history.read(path)
    assert (found.header, found.leaders) == (good().header, (Leader(1.0, "a"),))


@pytest.mark.parametrize(
    "text",
    ['[all]\n"new.any.mood" = 1\n', '[all]\n"heal.host" = "soon"\n', "all = 1\n", "= broken"],
)
def test_wrong_thresholds_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="thresholds"):
        thresholds.limits(thresholds.load(path), "power-cut", "haproxy")


def test_etcdctl_answers_are_read_also_when_a_member_is_missing() -> None:
    text = (
        b'[{"Endpoint":"https://10.0.0.10:2379","Status":{"header":{"member_id":1,'
        b'"revision":55},"leader":10276657743932975437,"errors":["NOSPACE"]}}]\n'
    )
    status = etcd.parse_status(b"warning\n" + text)[0]
    assert (status.address, status.leader) == ("10.0.0.10", "8e9e05c52164694d")
    assert status.member == "1"
    assert (status.revision, status.errors) == (55, ("NOSPACE",))
    hashes = b'[{"Endpoint":"https://10.0.0.10:2379","HashKV":{"hash":7,"compact_revision":3}}]'
    assert etcd.parse_hashes(hashes) == {"10.0.0.10": (7, 3)}
    assert etcd.parse_status(b"Error: context deadline exceeded") == ()


def test_a_kubeconfig_without_keys_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="no kubeconfig") as caught:
        credentials.parse("clusters: [{cluster: {certificate-authority-data: c2VjcmV0}}]")
    assert "c2VjcmV0" not in str(caught.value)


def test_the_recovery_record_tells_a_dead_orchestrator_from_a_living_one(tmp_path: Path) -> None:
    plan = FaultPlan("partition", ("m1",), 30, direction=Direction.IN)
    pid = os.getpid()
    entry = recovery_record.RecoveryRecord(
        "r", "partition", "c", plan, ("ns",), pid, recovery_record.process_start(pid)
    )
    recovery_record.write(tmp_path, entry)
    assert (tmp_path / recovery_record.RECORD).stat().st_mode & 0o777 == 0o600
    found = recovery_record.read(tmp_path)
    assert found == entry
    assert recovery_record.running(found)
    assert not recovery_record.running(replace(found, started="1"))
    assert not recovery_record.running(replace(found, pid=2**22 + 1))
    recovery_record.settle(tmp_path)
    recovery_record.settle(tmp_path)
    with pytest.raises(UsageError):
        recovery_record.read(tmp_path)


def test_the_deployment_takes_an_image_that_the_nodes_have() -> None:
    coredns = "registry.k8s.io/coredns/coredns:v1.14.6"
    assert image_of({coredns: "", "example.org/nginx:1": ""}).reference == "example.org/nginx:1"
    image = image_of({coredns: ""})
    assert (image.reference, image.path) == (coredns, "/health")
    assert image_of({}).reference.endswith("nginx:1.28")
    assert image_of({coredns: ""}, "x/y:1").reference == "x/y:1"
    document = json.dumps(manifest("ns", image, prefer="w1", anywhere=True))
    assert "Corefile" in document
    assert "preferredDuringScheduling" in document


def test_requests_are_whole_http() -> None:
    data = encode(HttpRequest("POST", "/x", "h:1", b"{}"), last=True)
    assert data.startswith(b"POST /x HTTP/1.1\r\nHost: h:1\r\n")
    assert data.endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")


def test_a_request_record_names_its_kind() -> None:
    assert Request(0, 0, 1.0, 1.0, 1.5, "ok").latency == 0.5


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ([], "no pod was made of it: no controller manager leads"),
        ([{"spec": {}, "status": {"phase": "Pending"}}], "its pod has no node: no scheduler leads"),
        (
            [
                {
                    "spec": {},
                    "status": {"conditions": [{"type": "PodScheduled", "message": "0/4 nodes"}]},
                }
            ],
            "its pod has no node: 0/4 nodes",
        ),
        (
            [{"spec": {"nodeName": "w1"}, "status": {"phase": "Pending"}}],
            "its pod on w1 is Pending: it is not ready",
        ),
        (
            [
                {
                    "spec": {"nodeName": "w1"},
                    "status": {
                        "phase": "Pending",
                        "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}],
                    },
                }
            ],
            "its pod on w1 is Pending: ErrImagePull",
        ),
    ],
)
def test_a_deployment_that_is_not_available_says_who_has_not_done_his_part(
    pods: list[dict[str, object]], words: str
) -> None:
    assert standing(pods) == words
