"""Certificates that kanae makes, judged by openssl."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kanae.execute.actions.authorities import AUTHORITY_DAYS, authority_hash, make_authority
from kanae.execute.actions.leaves import issue_leaf
from kanae.plan.actions import LeafCertificate
from kanae.plan.certificates import LIFETIME

LEAF = LeafCertificate(
    "/etc/kubernetes/pki/etcd/server.crt",
    "etcd-ca",
    "server1",
    organization="kanae",
    sans=("server1", "localhost", "10.0.0.1", "127.0.0.1", "fd00::1"),
    server=True,
    client=True,
)


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=stdin, check=True, capture_output=True
    ).stdout


@dataclass(frozen=True)
class Issued:
    """Files of an authority, and of a leaf certificate of it."""

    authority: Path
    authority_key: Path
    leaf: Path
    leaf_key: Path

    def text(self, path: Path) -> str:
        return openssl("x509", "-in", str(path), "-noout", "-text").decode()

    def verify(self, *options: str) -> str:
        """Raises CalledProcessError when it does not hold."""
        return openssl("verify", "-CAfile", str(self.authority), *options, str(self.leaf)).decode()


def written(folder: Path, leaf: LeafCertificate, public: str, private: str) -> Issued:
    issued = Issued(*(folder / name for name in ("ca.crt", "ca.key", "leaf.crt", "leaf.key")))
    certificate, key = issue_leaf(leaf, public, private)
    texts = (public, private, certificate, key)
    for path, text in zip(
        (issued.authority, issued.authority_key, issued.leaf, issued.leaf_key), texts, strict=True
    ):
        path.write_text(text)
    return issued


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return written(tmp_path, LEAF, *make_authority("etcd-ca"))


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_the_chain_holds_for_servers_and_clients(issued: Issued, purpose: str) -> None:
    assert "OK" in issued.verify("-x509_strict", "-purpose", purpose)


@pytest.mark.parametrize(
    ("server", "client", "refused"),
    [(True, False, "sslclient"), (False, True, "sslserver")],
)
def test_a_certificate_is_good_for_nothing_else(
    tmp_path: Path, server: bool, client: bool, refused: str
) -> None:
    leaf = LeafCertificate("/x.crt", "etcd-ca", "x", server=server, client=client)
    issued = written(tmp_path, leaf, *make_authority("etcd-ca"))
    with pytest.raises(subprocess.CalledProcessError):
        issued.verify("-purpose", refused)


@pytest.mark.parametrize(
    "option",
    [
        ("-verify_hostname", "server1"),
        ("-verify_hostname", "localhost"),
        ("-verify_ip", "10.0.0.1"),
        ("-verify_ip", "127.0.0.1"),
        ("-verify_ip", "fd00::1"),
    ],
)
def test_every_name_and_address_is_in_it(issued: Issued, option: tuple[str, str]) -> None:
    assert "OK" in issued.verify(*option)


def test_another_name_is_not(issued: Issued) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        issued.verify("-verify_hostname", "server2")


def test_another_authority_of_the_same_name_is_not_taken_for_it(
    issued: Issued, tmp_path: Path
) -> None:
    other = tmp_path / "other.crt"
    other.write_text(make_authority("etcd-ca")[0])
    with pytest.raises(subprocess.CalledProcessError):
        openssl("verify", "-CAfile", str(other), str(issued.leaf))


@pytest.mark.parametrize(
    ("which", "days"), [("authority", AUTHORITY_DAYS), ("leaf", LIFETIME.days)]
)
def test_it_lives_as_long_as_kubeadms_own(issued: Issued, which: str, days: int) -> None:
    path = str(issued.authority if which == "authority" else issued.leaf)

    def lives(seconds: int) -> bool:
        check = ["openssl", "x509", "-in", path, "-noout", "-checkend", str(seconds)]
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    assert lives(days * 86400 - 3600)
    assert not lives(days * 86400)


def test_subject_and_usages_are_as_components_read_them(issued: Issued) -> None:
    leaf, authority = issued.text(issued.leaf), issued.text(issued.authority)
    assert re.search(r"Subject: CN\s*=\s*server1, O\s*=\s*kanae", leaf)
    assert re.search(r"Issuer: CN\s*=\s*etcd-ca", leaf)
    assert "CA:FALSE" in leaf
    assert "CA:TRUE" in authority
    assert "Certificate Sign" in authority


@pytest.mark.parametrize("pair", ["authority", "leaf"])
def test_keys_belong_to_their_certificates(issued: Issued, pair: str) -> None:
    certificate, key = (
        (issued.authority, issued.authority_key)
        if pair == "authority"
        else (issued.leaf, issued.leaf_key)
    )
    public = openssl("x509", "-in", str(certificate), "-noout", "-pubkey")
    assert openssl("pkey", "-in", str(key), "-pubout") == public


def test_the_pin_is_what_openssl_computes(issued: Issued) -> None:
    """As kubernetes.io's page of `kubeadm join` says how to compute it, for any kind of key."""
    public = openssl("x509", "-in", str(issued.authority), "-noout", "-pubkey")
    der = openssl("pkey", "-pubin", "-outform", "der", stdin=public)
    assert (
        authority_hash(issued.authority.read_text()) == f"sha256:{hashlib.sha256(der).hexdigest()}"
    )


def test_an_authority_made_by_others_with_an_rsa_key_signs_too(tmp_path: Path) -> None:
    key, public = tmp_path / "k", tmp_path / "c"
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(public),
        "-days", "30", "-subj", "/CN=kubernetes",
    )  # fmt: skip
    issued = written(tmp_path, LEAF, public.read_text(), key.read_text())
    assert "OK" in issued.verify("-purpose", "sslserver")


def test_the_service_account_key_is_a_pair(tmp_path: Path) -> None:
    public, private = make_authority("sa")
    key = tmp_path / "sa.key"
    key.write_text(private)
    assert openssl("pkey", "-in", str(key), "-pubout").decode() == public
