"""What is issued, as it lies on a host: read by a real shell and openssl, taken up by scripts."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kanae.errors import Refused
from kanae.execute import kubeconfig
from kanae.execute.actions import leaves
from kanae.execute.actions.authorities import make_authority, remember
from kanae.execute.actions.leaves import issue_leaf
from kanae.execute.context import StepContext
from kanae.execute.scripts import certificates as scripts
from kanae.execute.values import Values
from kanae.facts.model import CertificateFact, Query
from kanae.facts.parse import parse
from kanae.facts.script import script
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import Form, IssueCertificates, LeafCertificate, RestartComponents
from kanae.plan.certificates import AUTHORITIES
from kanae.plan.certificates import leaves as listed
from kanae.plan.model import Step
from kanae.transport.protocol import Completed, Upload

from ...model.fixtures import example
from .one_host import OneHost
from .own_root import OwnRoot

MADE = {name: make_authority(name) for name in AUTHORITIES}


@dataclass
class Receiving:
    """A host that keeps what it is sent below a folder. order: of the paths."""

    folder: Path
    order: list[str] = field(default_factory=list[str])
    host: str = "m1"

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        raise AssertionError(f"nothing is run here: {script}")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        for each in uploads:
            assert isinstance(each.source, bytes)
            path = self.folder / each.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.source)
            path.chmod(each.mode)
            self.order.append(each.path)

    async def close(self) -> None: ...


async def issued(folder: Path, *wanted: LeafCertificate, due: Sequence[str] = ()) -> Receiving:
    host, values = Receiving(folder), Values()
    for name, pair in MADE.items():
        remember(values, name, *pair)
    action = IssueCertificates(wanted, tuple(due))
    step = Step("m1/certificates/leaves", "m1", "certificates", "issue", action)
    await leaves.issue(StepContext(step, OneHost(host), values, 1e9))
    return host


def facts(folder: Path, *paths: str) -> dict[str, CertificateFact | None]:
    """As the script of facts tells of files below a folder, by a real shell."""
    there = [f"{folder}{path}" for path in paths]
    query = Query(certificates=tuple(there))
    text = script(query, str(folder / "state"))
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True)
    read = parse("m1", query, done.stdout, 0.0, 1.0, str(folder / "state"))
    return {path: read.certificates[whole] for path, whole in zip(paths, there, strict=True)}


@pytest.mark.parametrize("name", ["reference", "three-machines", "dedicated-etcd"])
async def test_all_that_is_issued_is_read_by_facts_and_has_the_names_of_the_spec(
    name: str, tmp_path: Path
) -> None:
    spec = example(name)
    for host in spec.hosts:
        wanted = [leaf for _, leaf in listed(spec, host)]
        folder = tmp_path / host
        await issued(folder, *wanted)
        if (folder / at.KUBELET_ISSUED.lstrip("/")).exists():
            link = folder / at.KUBELET_CLIENT.lstrip("/")
            link.symlink_to(f"{folder}{at.KUBELET_ISSUED}")
        read = facts(folder, *(leaf.path for leaf in wanted))
        for leaf in wanted:
            held = read[leaf.path]
            assert held is not None, leaf.path
            assert held.sans == set(leaf.sans)
            assert f"CN={leaf.common_name}" in held.subject
            assert leaf.organization in held.subject
            assert held.key_matches is (None if leaf.form is Form.KUBECONFIG else True)


async def test_private_keys_are_roots_alone_and_come_before_their_certificates(
    tmp_path: Path,
) -> None:
    spec = example("reference")
    host = await issued(
        tmp_path,
        *(leaf for _, leaf in listed(spec, "server1")),
        due=(f"{marks.RESTART}kube-scheduler",),
    )
    assert host.order[0] == marks.path(f"{marks.RESTART}kube-scheduler")
    for number, path in enumerate(host.order):
        mode = (tmp_path / path.lstrip("/")).stat().st_mode & 0o777
        assert mode == (0o644 if path.endswith(".crt") else 0o600), path
        if path.endswith(".crt"):
            assert host.order[number - 1] == at.key(path)


def openssl(*arguments: str) -> str:
    return subprocess.run(
        ["openssl", *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("apiserver", "sslserver"),
        ("apiserver-kubelet-client", "sslclient"),
        ("front-proxy-client", "sslclient"),
        ("etcd-server", "sslserver"),
        ("etcd-server", "sslclient"),
        ("etcd-peer", "sslserver"),
        ("etcd-peer", "sslclient"),
        ("etcd-healthcheck-client", "sslclient"),
        ("apiserver-etcd-client", "sslclient"),
    ],
)
def test_openssl_takes_it_for_what_it_is_for(name: str, purpose: str, tmp_path: Path) -> None:
    spec = example("three-machines")
    leaf = next(leaf for each, leaf in listed(spec, next(iter(spec.hosts))) if each.name == name)
    certificate, _ = issue_leaf(leaf, *MADE[leaf.authority])
    for file, text in (("ca", MADE[leaf.authority][0]), ("leaf", certificate)):
        (tmp_path / file).write_text(text)
    names = [
        word
        for san in leaf.sans
        for word in ("-verify_ip" if san[0].isdigit() or ":" in san else "-verify_hostname", san)
    ]
    for option, value in zip(names[::2], names[1::2], strict=True):
        told = openssl(
            "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(tmp_path / "ca"),
            option, value, str(tmp_path / "leaf"),
        )  # fmt: skip
        assert "OK" in told
    assert "OK" in openssl(
        "verify", "-purpose", purpose, "-CAfile", str(tmp_path / "ca"), str(tmp_path / "leaf")
    )


async def test_a_kubeconfig_trusts_the_authority_and_leads_where_it_is_told(
    tmp_path: Path,
) -> None:
    spec = example("reference")
    leaf = next(leaf for _, leaf in listed(spec, "server1") if leaf.path == at.ADMIN_CONF)
    await issued(tmp_path, leaf)
    text = (tmp_path / at.ADMIN_CONF.lstrip("/")).read_text()
    assert f"    server: https://{spec.endpoint_host}:{spec.endpoint.port}\n" in text
    document = kubeconfig.named(text, "prod")
    trusted = kubeconfig.authority(document, "prod")
    assert b64decode(trusted).decode() == MADE["ca"][0]
    assert kubeconfig.end(document) is not None
    # As the script of facts finds its words.
    for word in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
        (line,) = (line for line in text.splitlines() if line.lstrip().startswith(f"{word}: "))
        assert b64decode(line.partition(": ")[2]).startswith(b"-----BEGIN ")


def test_nothing_is_issued_with_a_key_that_is_not_the_authoritys() -> None:
    leaf = LeafCertificate(at.API_SERVER, "ca", "kube-apiserver", server=True)
    with pytest.raises(Refused, match=r"ca\.key are no authority with its key"):
        issue_leaf(leaf, MADE["ca"][0], MADE["etcd-ca"][1])
    with pytest.raises(Refused, match="no authority with its key"):
        issue_leaf(leaf, "", "")


CRICTL = """name=$(echo "$*" | sed 's/.*--name ^//; s/\\$.*//')
case "$*" in
"ps -a -q"*) cat "/containers/$name" ;;
"ps -q --state running"*) head -n 1 "/containers/$name" ;;
stop*) for id; do :; done
  file=$(grep -lx "$id" /containers/*)
  { echo "$id-again"; cat "$file"; } >/new && mv /new "$file" ;;
esac
"""
CONF = """users:
- name: default-auth
  user:
    client-certificate-data: AAAA
    client-key-data: BBBB
"""


@pytest.fixture
def root(tmp_path: Path) -> OwnRoot:
    host = OwnRoot.at(tmp_path)
    host.program("crictl", CRICTL)
    for pod in ("kube-controller-manager", "kube-scheduler"):
        host.write(f"/containers/{pod}", f"{pod}\nolder\n")
        host.write(marks.path(f"{marks.RESTART}{pod}"))
    host.write(at.KUBELET_ISSUED, "issued")
    host.write(f"{at.KUBELET_STATE}/pki/kubelet-client-2025.pem", "ended")
    host.path(at.KUBELET_CLIENT).symlink_to("kubelet-client-2025.pem")
    host.write(at.KUBELET_CONF, CONF)
    return host


def test_each_begins_anew_and_its_mark_goes(root: OwnRoot) -> None:
    action = RestartComponents(("kube-controller-manager", "kube-scheduler"))
    done = root.run(scripts.restart(action, 20))
    assert done.returncode == 0, done.stderr
    for pod in action.pods:
        assert root.path(f"/containers/{pod}").read_text().startswith(f"{pod}-again\n")
        assert not root.path(marks.path(f"{marks.RESTART}{pod}")).exists()
    assert not [call for call in root.calls() if call.startswith("systemctl")]


def test_one_that_does_not_begin_anew_ends_it_and_keeps_its_mark(root: OwnRoot) -> None:
    root.program("crictl", "echo same")
    done = root.run(scripts.restart(RestartComponents(("kube-scheduler",)), 1))
    assert done.returncode != 0
    assert "kube-scheduler does not start again" in done.stderr
    assert root.path(marks.path(f"{marks.RESTART}kube-scheduler")).exists()


def test_one_that_waits_to_be_started_is_not_stopped(root: OwnRoot) -> None:
    """It has failed: kubelet, which has just restarted, makes another."""
    root.program(
        "crictl",
        'case "$*" in "ps -a -q"*) echo x >>/looks; wc -l </looks ;; '
        '"ps -q"*) ;; *) exit 9 ;; esac',
    )
    done = root.run(scripts.restart(RestartComponents(("kube-scheduler",)), 20))
    assert done.returncode == 0, done.stderr


def test_kubelets_link_leads_to_what_was_issued_and_it_restarts(root: OwnRoot) -> None:
    root.write(marks.path(f"{marks.RESTART}kubelet.service"))
    action = RestartComponents((), kubelet=True, renewed=True)
    for _ in range(2):  # as after a run that was cut off
        done = root.run(scripts.restart(action, 20))
        assert done.returncode == 0, done.stderr
    link = root.path(at.KUBELET_CLIENT)
    assert link.is_symlink()
    assert str(link.readlink()) == at.KUBELET_ISSUED
    conf = root.path(at.KUBELET_CONF).read_text()
    assert f"    client-certificate: {at.KUBELET_CLIENT}\n" in conf
    assert f"    client-key: {at.KUBELET_CLIENT}\n" in conf
    assert "-data" not in conf
    assert root.path(f"{at.KUBELET_STATE}/pki/kubelet-client-2025.pem").read_text() == "ended"
    assert root.calls().count("systemctl restart kubelet.service") == 2
    assert not root.path(marks.path(f"{marks.RESTART}kubelet.service")).exists()
