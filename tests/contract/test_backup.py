"""A backup of a real etcd by way of a real sshd, whole and with what goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from contract_balancer import own_network, took
from contract_sshd import SSHD, Sshd, running

from kanae import cli
from kanae.artifacts.store import Store
from kanae.backup import archive, name
from kanae.errors import KanaeError
from kanae.execute.actions.authorities import make_authority
from kanae.execute.actions.leaves import issue_leaf
from kanae.layout import marks, ports
from kanae.layout import paths as at
from kanae.plan.actions import LeafCertificate
from kanae.plan.backup import OBJECTS, files
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.membership import identity_of
from kanae.render import backup
from kanae.spec.load import load

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or SSHD is None, reason="needs root for namespaces, and sshd"
)
PATIENCE = 60.0
HOST = "10.0.0.11"


def real(program: str) -> str | None:
    entries = Store().entries().items()
    keys = [key for key, entry in entries if (entry.kind, entry.name) == ("binary", program)]
    found = [artifact for key in keys if (artifact := Store().get(key)) is not None]
    return str(found[0].path) if found else shutil.which(program)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One control-plane host with a stacked member of etcd, which is this machine seen by sshd.

    root: what lies on the host in place of the machine's own folders. identity: of the cluster.
    """

    spec: Path
    root: Path
    sshd: Sshd
    identity: str

    def on_host(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def etcdctl(self, *arguments: str) -> str:
        pki = self.on_host(at.ETCD_PKI)
        done = subprocess.run(
            [
                str(self.on_host("/usr/local/bin/etcdctl")),
                f"--endpoints=https://127.0.0.1:{ports.ETCD_CLIENT}",
                f"--cacert={pki}/ca.crt",
                f"--cert={pki}/healthcheck-client.crt",
                f"--key={pki}/healthcheck-client.key",
                *arguments,
            ],
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _root(root: Path, programs: dict[str, str]) -> str:
    """Folders of a host with the authorities of a cluster; returns the cluster's identity."""
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
    for folder in ("run/sshd", "var/lib", "usr/local/bin"):
        (root / folder).mkdir(parents=True)
    for program, path in programs.items():
        shutil.copy(path, root / "usr/local/bin" / program)
        (root / "usr/local/bin" / program).chmod(0o755)
    made = {authority: make_authority(authority) for authority in AUTHORITIES}
    for authority, (public, private) in AUTHORITIES.items():
        _write(root / public.lstrip("/"), made[authority][0], 0o644)
        _write(root / private.lstrip("/"), made[authority][1])
    for path, server in ((at.ETCD_SERVER, True), (at.ETCD_PROBE, False)):
        leaf = LeafCertificate(
            path, "etcd-ca", "m1", sans=("127.0.0.1",), server=server, client=True
        )
        certificate, key = issue_leaf(leaf, *made["etcd-ca"])
        _write(root / path.lstrip("/"), certificate)
        _write(root / at.key(path).lstrip("/"), key)
    identity = identity_of(hashlib.sha256(made["sa"][0].encode()).hexdigest())
    _write(root / marks.path(marks.CLUSTER).lstrip("/"), "demo")
    _write(root / marks.path(marks.IDENTITY).lstrip("/"), identity)
    return identity


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Cluster]:
    programs = {program: real(program) for program in ("etcd", "etcdctl", "etcdutl")}
    found = {program: path for program, path in programs.items() if path is not None}
    if len(found) < len(programs):
        pytest.skip("needs etcd, etcdctl and etcdutl")
    root = tmp_path / "root"
    root.mkdir()
    identity = _root(root, found)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    mounts = {place: root / place.lstrip("/") for place in ("/etc", "/var/lib", "/usr/local/bin")}
    listen = f"ListenAddress {HOST}"
    with own_network(HOST), running(tmp_path, options=listen, mounts=mounts) as sshd:
        known = tmp_path / "known_hosts"
        line = known.read_text()
        known.write_text(line + line.replace("127.0.0.1", HOST))
        pki = root / at.ETCD_PKI.lstrip("/")
        client = f"https://127.0.0.1:{ports.ETCD_CLIENT}"
        peer = f"http://127.0.0.1:{ports.ETCD_PEER}"
        log = (tmp_path / "etcd.log").open("wb")
        member = subprocess.Popen(
            [
                found["etcd"], "--name=m1", f"--data-dir={tmp_path / 'data'}",
                f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=m1={peer}", "--client-cert-auth",
                f"--trusted-ca-file={pki}/ca.crt", f"--cert-file={pki}/server.crt",
                f"--key-file={pki}/server.key", "--unsafe-no-fsync",
            ],
            stderr=log,
        )  # fmt: skip
        spec = tmp_path / "cluster.yaml"
        spec.write_text(
            f"name: demo\nkubernetes: v1.37.2\n"
            f"ssh: {{port: {sshd.port}, user: root, key: {sshd.folder}/id,\n"
            f"  knownHosts: {sshd.folder}/known_hosts, sudo: none}}\n"
            f"hosts:\n  m1: {{address: {HOST}, roles: [control-plane, worker]}}\n"
            f"backup:\n  target: kept\n"
        )
        made = Cluster(spec, root, sshd, identity)
        try:
            took(lambda: "is healthy" in made.etcdctl("endpoint", "health"), PATIENCE)
            for number in range(5):
                made.etcdctl("put", f"/registry/{number}", "value" * 1000)
            yield made
        finally:
            member.kill()
            member.wait()
            log.close()


def _told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    cli.main([*words, "-o", "json"])
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_a_backup_is_made_read_back_and_leaves_nothing_on_the_host(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _told(capsys, "backup", "create", str(cluster.spec))
    file = tmp_path / "kept" / str(made["name"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    read = archive.open_archive(file, snapshot=tmp_path / "snapshot.db")
    assert read.manifest.identity == cluster.identity
    assert read.manifest.snapshot.members == ("m1",)
    assert read.files["spec.yaml"] == cluster.spec.read_bytes()
    for path in ("ca.key", "sa.key", "etcd/ca.key"):
        assert read.files[f"pki/{path}"] == cluster.on_host(f"{at.PKI}/{path}").read_bytes()
    parsed = name.parse(file.name)
    assert parsed is not None
    assert parsed.fits(read.sha256)
    status = subprocess.run(
        [cluster.on_host("/usr/local/bin/etcdutl"), "snapshot", "status", "-w", "json",
         tmp_path / "snapshot.db"],
        capture_output=True, check=True,
    )  # fmt: skip
    told = json.loads(status.stdout)
    assert told["revision"] == read.manifest.snapshot.revision
    assert told["hash"] == read.manifest.snapshot.hash
    assert list(cluster.on_host(at.SNAPSHOTS).iterdir()) == []
    assert _told(capsys, "backup", "verify", "newest", str(cluster.spec))["good"] is True
    listed = _told(capsys, "backup", "list", str(cluster.spec))["backups"]
    assert len(cast("list[object]", listed)) == 1


def test_what_a_killed_run_has_left_on_the_host_is_removed_by_the_next(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    left = cluster.on_host(f"{at.SNAPSHOTS}/taken/snapshot.db")
    _write(left, "half of one")
    _told(capsys, "backup", "create", str(cluster.spec))
    assert not left.parent.exists()


def test_a_target_over_ssh_holds_it_and_gives_it_back(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = f"ssh://m1{tmp_path}/there"
    made = _told(capsys, "backup", "create", str(cluster.spec), "--to", target)
    there = tmp_path / "there" / str(made["name"])
    assert archive.open_archive(there).sha256 == made["sha256"]
    shown = _told(
        capsys, "backup", "verify", str(made["name"]), str(cluster.spec), "--from", target
    )
    assert shown["good"] is True
    assert list((tmp_path / "state/kanae/clusters/demo/backups").iterdir()) == []


def test_without_a_member_that_is_well_nothing_is_made(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.on_host(at.ETCD_PROBE).unlink()
    with pytest.raises(SystemExit) as end:
        cli.main(["backup", "create", str(cluster.spec)])
    assert end.value.code == 4, capsys.readouterr().err
    assert not list((tmp_path / "kept").glob("*")) if (tmp_path / "kept").exists() else True


def test_a_program_that_fails_says_why(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = cluster.on_host("/usr/local/bin/etcdutl")
    program.unlink()
    _write(program, "#!/bin/sh\necho 'snapshot is corrupt' >&2\nexit 3\n", 0o755)
    with pytest.raises(SystemExit) as end:
        cli.main(["backup", "create", str(cluster.spec)])
    assert end.value.code == KanaeError.exit_code + 19
    assert "snapshot is corrupt" in capsys.readouterr().err
    assert list((tmp_path / "kept").iterdir()) == []


async def test_the_schedules_script_backs_up_a_real_etcd(cluster: Cluster, tmp_path: Path) -> None:
    folder = f"{tmp_path}/scheduled"
    said = cluster.spec.read_text() + f"  schedule: {{every: 1h, folder: {folder}}}\n"
    cluster.spec.write_text(said)
    of = load(cluster.spec)
    of_host = {at.BACKUP_SPEC: "spec.yaml", **files(of, "m1")}
    _write(cluster.on_host(at.BACKUP_SPEC), said)
    _write(cluster.on_host(at.BACKUP_SCRIPT), backup.script(of, "m1", of_host, OBJECTS))
    told = await cluster.sshd.raw(f"sh {at.BACKUP_SCRIPT} now 2>&1", b"")
    assert told.startswith(f"made {folder}/demo-".encode()), told
    (file,) = Path(folder).iterdir()
    read = archive.open_archive(file, snapshot=tmp_path / "snapshot.db")
    assert read.manifest.identity == cluster.identity
    assert read.manifest.snapshot.members == ("m1",)
    assert read.manifest.snapshot.keys > 0
    restored = subprocess.run(
        [cluster.on_host("/usr/local/bin/etcdutl"), "snapshot", "restore",
         tmp_path / "snapshot.db", "--data-dir", tmp_path / "restored"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    assert file.name in cluster.etcdctl("get", "kanae/backup", "--print-value-only")
