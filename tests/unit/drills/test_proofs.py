"""From where the Deployment of a proof is made, and by which kubeconfig."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import pytest
from drill_local import LocalTransport

from kanae.drills.cluster.kube import Kube
from kanae.drills.running.proofs import NGINX, Deployments
from kanae.transport.protocol import Completed, Transport

from ...model.fixtures import example


@dataclass(slots=True)
class Recorded(LocalTransport):
    scripts: list[str] = field(default_factory=list[str])

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.scripts.append(script)
        return Completed(0, b"", "")


@pytest.mark.parametrize(
    ("kubeconfigs", "host", "said"),
    [
        (
            {"server5": "/var/lib/ann/.kube/config"},
            "server5",
            "exec kubectl --kubeconfig /var/lib/ann/.kube/config --context reference apply",
        ),
        (
            {},
            "server1",
            "exec env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf ",
        ),
    ],
)
async def test_the_kubeconfig_is_the_one_that_the_client_has(
    kubeconfigs: dict[str, str], host: str, said: str
) -> None:
    """A client that did not answer has none that is known: a control-plane host takes its place."""
    there = {name: Recorded() for name in example("reference").hosts}

    def transport(name: str) -> Transport:
        return there[name]

    kube = Kube({}, ssl.create_default_context())
    made = Deployments(example("reference"), kube, transport, "drill", NGINX, kubeconfigs)
    assert await made.create(()) == host
    [script] = there[host].scripts
    assert said in script
