"""The script by which hosts back the cluster up by themselves, run by a real shell."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kanae.backup import archive, name
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.backup import OBJECTS, files
from kanae.render import backup
from kanae.spec.models import Spec

from .made import IDENTITY, snapshot

HOSTS = ("m1", "m2", "m3")
DATA = snapshot(2000)
STATUS = {"hash": 7, "revision": 42, "totalKey": 3, "totalSize": 2000, "version": "3.6.0"}
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
# 2026-07-01 12:00 UTC is the beginning of a period of six hours, whose number is divided by 3.
NOON = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp())


def spec(**keep: object) -> Spec:
    return Spec.model_validate(
        {
            "name": "demo",
            "kubernetes": "v1.37.2",
            "backup": {"schedule": {"every": "6h"}, "keep": keep or {"count": 10}},
            "endpoint": {"port": 6440, "address": "192.0.2.9"},
            "hosts": {
                host: {"address": f"192.0.2.{index}", "roles": ["control-plane", "worker"]}
                for index, host in enumerate(HOSTS, 1)
            },
        }
    )


@dataclass
class Cluster:
    """etcd is a folder: what its programs are told is kept in files there."""

    folder: Path
    shell: Sequence[str]

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    def program(self, called: str, text: str) -> None:
        path = self.folder / "bin" / called
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def prepare(self, host: str, of: Spec) -> Path:
        """The script of a host, with this folder for its root and the kept ones for all."""
        text = backup.script(of, host, {at.BACKUP_SPEC: "spec.yaml", **files(of, host)}, OBJECTS)
        text = text.replace("PATH=/usr", f"PATH={self.folder}/bin:/usr")
        for place in ("/etc/kanae", "/etc/kubernetes", "/var/lib/kanae", "/run/kanae"):
            text = text.replace(place, f"{self.folder}{place}")
        text = text.replace("/var/backups/kanae", str(self.kept))
        script = self.folder / f"{host}.sh"
        script.write_text(text)
        for path in files(of, host):
            self.write(path, f"content of {path}\n")
        self.write(at.BACKUP_SPEC, "name: demo\n")
        self.write(marks.path(marks.IDENTITY), IDENTITY)
        return script

    def write(self, path: str, text: str) -> None:
        there = self.folder / path.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)

    def run(
        self, host: str, now: int, *words: str, of: Spec | None = None
    ) -> subprocess.CompletedProcess[str]:
        script = self.prepare(host, of or spec())
        # Only `date +%s` tells the time; with -d it only writes one down.
        self.program("date", f'[ "$*" != +%s ] || {{ echo {now}; exit; }}\nexec /bin/date "$@"\n')
        return subprocess.run(
            [*self.shell, script, *words], capture_output=True, text=True, timeout=120
        )

    def made(self) -> list[name.BackupName]:
        found = [name.parse(each.name) for each in self.kept.iterdir()]
        return sorted((each for each in found if each is not None), key=lambda each: each.taken)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    if not shutil.which(request.param[0]):
        pytest.skip(f"there is no {request.param[0]}")
    (tmp_path / "data").write_bytes(DATA)
    made = Cluster(tmp_path, request.param)
    status = [
        {"Endpoint": "x", "Status": {"version": "3.7.3", "dbSize": 2032, "storageVersion": "3.7.0"}}
    ]
    members = {"members": [{"ID": 1, "name": host} for host in HOSTS]}
    made.program(
        "etcdctl",
        f"""
while [ $# -gt 0 ]; do
  case $1 in
  endpoint) echo '{json.dumps(status, separators=(",", ":"))}'; exit ;;
  member) echo '{json.dumps(members, separators=(",", ":"))}'; exit ;;
  snapshot) cp {tmp_path}/data "$3"; exit ;;
  get) [ ! -e {tmp_path}/key ] || cat {tmp_path}/key; exit ;;
  put) echo "$3" >{tmp_path}/key; exit ;;
  esac
  shift
done
exit 1
""",
    )
    made.program("etcdutl", f"echo '{json.dumps(STATUS, separators=(',', ':'))}'\n")
    made.program("kubectl", 'echo "kind: ConfigMap"\n')
    return made


def test_it_makes_a_backup_as_kanae_reads_it(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.run("m1", NOON, "now")
    assert (done.returncode, done.stderr) == (0, "")
    made = cluster.made()[0]
    read = archive.open_archive(cluster.kept / str(made), snapshot=tmp_path / "snapshot.db")
    assert (tmp_path / "snapshot.db").read_bytes() == DATA
    assert made.fits(read.sha256)
    assert made.is_of(read.manifest.cluster, read.manifest.identity)
    assert made.taken == read.manifest.taken == datetime.fromtimestamp(NOON, UTC)
    taking = read.manifest.snapshot
    assert (taking.revision, taking.hash, taking.keys, taking.etcd) == (42, 7, 3, "3.7.3")
    assert taking.members == HOSTS
    assert read.files["pki/etcd/ca.key"] == f"content of {at.ETCD_PKI}/ca.key\n".encode()
    assert read.files["kubeadm/kube-proxy.yaml"] == b"kind: ConfigMap\n"
    assert [each.name for each in cluster.kept.iterdir()] == [str(made)]
    assert (cluster.kept / str(made)).stat().st_mode & 0o777 == 0o600
    assert cluster.kept.stat().st_mode & 0o777 == 0o700


def test_hosts_take_turns_and_act_for_one_that_did_not(cluster: Cluster) -> None:
    period = 6 * 3600
    order: list[str] = []
    for number in range(3):
        begin = NOON + number * period
        before = len(cluster.made()) if cluster.kept.exists() else 0
        for turn in range(3):
            for host in HOSTS:
                done = cluster.run(host, begin + turn * backup.STEP + 7)
                assert done.returncode == 0, done.stderr
                if "made " in done.stdout and "another" not in done.stdout:
                    order.append(host)
        assert len(cluster.made()) == before + 1
    assert sorted(order) == list(HOSTS)
    # The first of a period is dead: the next one acts at his own turn.
    begin = NOON + 3 * period
    first = order[0]
    acted = [
        host
        for turn in range(3)
        for host in HOSTS
        if host != first and "made /" in cluster.run(host, begin + turn * backup.STEP + 7).stdout
    ]
    assert len(acted) == 1


def test_old_ones_go_and_others_files_stay(cluster: Cluster) -> None:
    for day in range(4):
        done = cluster.run("m1", NOON + day * 86400, "now", of=spec(count=2))
        assert done.returncode == 0, done.stderr
    (cluster.kept / "notes.tar").write_text("")
    foreign = f"demo-20200101T000000Z-{'f' * 8}-{'0' * 16}.tar"
    (cluster.kept / foreign).write_text("")
    cluster.run("m1", NOON + 4 * 86400, "now", of=spec(count=2))
    days = [each.taken for each in cluster.made() if each.identity != "f" * 8]
    assert days == [datetime.fromtimestamp(NOON, UTC) + timedelta(days=day) for day in (3, 4)]
    cluster.run("m1", NOON + 5 * 86400, "now", of=spec(age="36h"))
    assert len([each for each in cluster.made() if each.identity != "f" * 8]) == 2
    cluster.run("m1", NOON + 99 * 86400, "now", of=spec(age="1h"))
    assert len([each for each in cluster.made() if each.identity != "f" * 8]) == 1
    assert {"notes.tar", foreign} <= {each.name for each in cluster.kept.iterdir()}


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"etcdctl": "echo 'no leader' >&2; exit 1\n"}, "no leader"),
        ({"etcdutl": "echo 'corrupt' >&2; exit 1\n"}, "corrupt"),
        ({"df": "echo head; echo /dev/x 100 99 1 99% /\n"}, "has no room"),
        ({"tar": "exit 1\n"}, ""),
    ],
    ids=str,
)
def test_what_fails_leaves_nothing_but_its_words(
    cluster: Cluster, broken: Mapping[str, str], why: str
) -> None:
    for program, text in broken.items():
        cluster.program(program, text)
    done = cluster.run("m1", NOON, "now")
    assert done.returncode != 0
    assert why in done.stderr
    assert list(cluster.kept.iterdir()) == []


def test_a_snapshot_that_is_not_what_etcd_sent_is_refused(cluster: Cluster) -> None:
    (cluster.folder / "data").write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    done = cluster.run("m1", NOON, "now")
    assert done.returncode != 0
    assert "not what etcd has sent" in done.stderr
    assert list(cluster.kept.iterdir()) == []


def test_a_key_that_is_missing_is_told(cluster: Cluster) -> None:
    of = spec()
    script = cluster.prepare("m1", of)
    script.write_text(script.read_text().replace("pki/sa.key pki", "pki/none pki"))
    done = subprocess.run([*cluster.shell, script, "now"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "there is no" in done.stderr
    assert list(cluster.kept.iterdir()) == []


def test_what_a_killed_run_left_is_removed(cluster: Cluster) -> None:
    left = cluster.kept / ".making" / "tree"
    left.mkdir(parents=True)
    (left / "secret").write_text("")
    assert cluster.run("m1", NOON, "now").returncode == 0
    assert not left.exists()


def test_every_period_has_a_turn_for_each_host() -> None:
    schedule = spec().backup.schedule
    assert schedule is not None
    text = backup.timer(spec(), schedule)
    assert text.count("OnCalendar=") == len(HOSTS)
    assert "OnCalendar=*-*-* 00,06,12,18:05:00 UTC" in text
    if shutil.which("systemd-analyze"):
        for line in text.splitlines():
            if line.startswith("OnCalendar="):
                told = subprocess.run(
                    ["systemd-analyze", "calendar", line.partition("=")[2]], capture_output=True
                )
                assert told.returncode == 0


def test_the_digest_in_the_name_is_of_the_whole_file(cluster: Cluster) -> None:
    cluster.run("m1", NOON, "now")
    made = cluster.made()[0]
    content = (cluster.kept / str(made)).read_bytes()
    assert made.fits(hashlib.sha256(content).hexdigest())
