"""How long certificates last, and whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kanae.facts.model import CertificateFact, FileFact
from kanae.layout import paths as at
from kanae.verify.certificates import certificates, keys

from .subjects import NOW, change, ending, found, make_spec, make_subject


@pytest.mark.parametrize(
    ("path", "days", "soon"),
    [
        (at.API_SERVER, 91, False),
        (at.API_SERVER, 89, True),
        (at.ADMIN_CONF, 89, True),
        (at.ETCD_SERVER, 89, True),
        # kubelet may take its time: a twentieth of its 300 days and what is left is not passed.
        (at.KUBELET_CLIENT, 60, False),
        (at.KUBELET_CLIENT, 10, True),
    ],
)
def test_each_is_told_in_its_own_time(path: str, days: int, soon: bool) -> None:
    subject = ending(make_subject(), path, days)
    (status,) = certificates(subject.spec, subject.facts)
    assert (status.path, status.days, status.soon) == (path, days, soon)
    assert bool(found(subject, "certificates")) is soon


def test_the_window_is_the_specs() -> None:
    subject = ending(make_subject(make_spec(certificates={"renewBefore": "2w"})), at.API_SERVER, 15)
    assert not found(subject, "certificates")


def test_what_is_on_a_host_of_nobody_is_not_judged() -> None:
    subject = change(ending(make_subject(), at.API_SERVER, -9), "m1", marks={})
    assert not found(subject, "certificates")


def test_those_that_end_first_come_first_and_say_whose_they_are() -> None:
    names = frozenset({"m1", "10.0.0.11"})
    first, second = (
        CertificateFact("CN=a", "CN=b", NOW, NOW + timedelta(days=d), names, "f", False, "", "")
        for d in (5, 50)
    )
    subject = change(
        make_subject(), "m1", certificates={at.ADMIN_CONF: second, at.ETCD_PEER: first}
    )
    told = certificates(subject.spec, subject.facts)
    assert [(each.name, each.issuer, each.names) for each in told] == [
        ("etcd-peer", "CN=b", ("10.0.0.11", "m1")),
        ("admin.conf", "CN=b", ("10.0.0.11", "m1")),
    ]


def test_a_key_without_a_certificate_has_an_age() -> None:
    modified = (NOW - timedelta(days=400)).timestamp()
    file = replace(FileFact("file", 0o600, "root:root", 9), modified=modified)
    subject = change(make_subject(), "m1", files={f"{at.PKI}/sa.key": file})
    (key,) = keys(subject.spec, subject.facts)
    assert (key.host, key.name, key.days) == ("m1", "sa", 400)


def test_a_client_has_what_was_recorded_when_it_got_it() -> None:
    spec = make_spec(
        hosts={
            "m1": {"address": "10.0.0.11", "roles": ["control-plane", "client"]},
        },
        endpoint={},
    )
    subject = make_subject(spec)
    base = subject.facts.hosts["m1"].base
    end = NOW + timedelta(days=3)
    subject = change(
        subject,
        "m1",
        login=replace(base.login, account="ann", home="/home/ann", usable=True),
        files={"~/.kube/config": FileFact("file", 0o600, "ann:ann", 9)},
        marks={"cluster": "demo", "kubeconfig-demo": f"a:6443 0 /c {end.isoformat()}"},
    )
    (status,) = certificates(subject.spec, subject.facts)
    assert (status.name, status.path, status.days, status.soon) == (
        "kubeconfig",
        "/home/ann/.kube/config",
        3,
        True,
    )
