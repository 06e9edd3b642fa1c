"""What to do about a kubeadm that failed is told by what it said."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import StepFailed
from kanae.execute.actions import guarded
from kanae.execute.actions.kubeadm import REMEDIES
from kanae.transport.protocol import Completed

from .shell_host import ShellHost

# As kubeadm v1.37 puts it, cut in the middle.
IDENTITY = (
    "error: error execution phase preflight: couldn't validate the identity of the API Server: "
)
ASKED = 'failed to request the cluster-info ConfigMap: Get "https://10.0.0.9:6443/api/v1/...": '


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (IDENTITY + ASKED + "context deadline exceeded", "did not answer this host in time"),
        (IDENTITY + ASKED + "dial tcp 10.0.0.9:6443: i/o timeout", "did not answer"),
        (IDENTITY + ASKED + "dial tcp 10.0.0.9:6443: connect: connection refused", "listens"),
        (IDENTITY + ASKED + "dial tcp 10.0.0.9:6443: connect: no route to host", "no way"),
        (IDENTITY + ASKED + "dial tcp: lookup api.example: no such host", "resolve the name"),
        (
            IDENTITY + "cluster CA found in cluster-info ConfigMap is invalid: none of the public "
            'keys "sha256:ab" are pinned',
            "another cluster's certificate",
        ),
        (
            'Get "https://10.0.0.9:6443/healthz": proxyconnect tcp: dial tcp 10.0.0.1:3128: '
            "connect: connection refused",
            "proxy",
        ),
        ("[preflight] Some fatal errors occurred:\n[ERROR Port-10250]", "kubeadm's checks"),
        (
            "error creating local etcd static pod manifest file: etcdserver: unhealthy cluster",
            "etcd takes no member",
        ),
        ("something else", "kubeadm-join.log"),
    ],
)
def test_the_remedy_follows_from_the_evidence(said: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as caught:
        guarded.raised(
            ShellHost("m1", tmp_path),
            Completed(1, b"", said),
            "kubeadm join",
            REMEDIES,
            "kubeadm-join",
        )
    assert words in caught.value.remedy
    certificate = "certificate" in caught.value.remedy
    assert certificate is ("none of the public keys" in said)
