"""What a step waits for ends before the step does, so that its reason and its remedy are told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kanae.artifacts.archives import Archives
from kanae.errors import KanaeError, StepTimedOut
from kanae.execute.actions import handlers
from kanae.execute.actions.authorities import make_authority, remember
from kanae.execute.actions.kubeadm import TOKEN
from kanae.execute.context import StepContext
from kanae.execute.events import Event
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.values import Values
from kanae.facts.model import ObjectKey
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import (
    Addon,
    ApplyObjects,
    AwaitApi,
    AwaitEtcd,
    AwaitGuard,
    AwaitHandOver,
    AwaitKubelet,
    AwaitNodes,
    AwaitProxies,
    DeleteObjects,
    KubeadmInit,
    KubeadmJoin,
    ReconfigureControlPlane,
    ReconfigureKubelet,
    SetNode,
    UploadConfig,
)
from kanae.plan.model import Action, Plan, Step
from kanae.transport.protocol import Completed, Transport, Upload

from .shell_host import ShellHost

# Seconds. What is kept back of it to tell the reason has to outlast the pauses of a busy machine.
LIMIT = 3.0


@dataclass
class Recording:
    run: str = "run-1"
    events: list[Event] = field(default_factory=list[Event])

    def record(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Answering:
    """A host on which nothing is as it should be. hangs: and whose commands do not end."""

    hangs: bool = False

    @property
    def host(self) -> str:
        return "m1"

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        if not self.hangs:
            return Completed(1, b"connection refused", "connection refused")
        await asyncio.sleep(timeout)
        raise StepTimedOut("m1", f"a command did not end within {timeout:g} s", remedy="see load")

    async def upload(self, uploads: Sequence[Upload], *, timeout: float = 600.0) -> None:
        raise AssertionError(f"nothing is sent here: {uploads}")

    async def close(self) -> None: ...


@dataclass(frozen=True)
class OneHost:
    transport: Transport

    def __getitem__(self, host: str, /) -> Transport:
        return self.transport

    async def recover(self, host: str, *, grace: float) -> None:
        raise AssertionError(f"no connection to {host} is lost here")


async def failure(transport: Transport, action: Action, limit: float) -> KanaeError:
    """How a step with this action and limit fails."""
    values = Values()
    values.put(TOKEN, "abcdef.0123456789abcdef")
    remember(values, "ca", *make_authority("ca"))
    step = Step("m1/stage/it", "m1", "stage", "do it", action, timeout=limit)
    result = await run_plan(
        Plan("demo", (step,)),
        handlers({}, Archives()),
        RunContext(OneHost(transport), values),
        journal=Recording(),
    )
    error = result.steps[step.id].error
    assert isinstance(error, KanaeError)
    assert "step m1/stage/it" not in error.message  # the scheduler's own, which knows no reason
    return error


@pytest.mark.parametrize(
    ("action", "waited_for", "remedy"),
    [
        (AwaitEtcd(("https://m1:2379",)), "etcd's members to be healthy", "journalctl -u etcd"),
        (AwaitApi("192.168.1.10", 6443), "https://192.168.1.10:6443/readyz", "crictl ps -a"),
        (
            AwaitApi("192.168.1.100", 6440, "kubernetes"),
            "https://192.168.1.100:6440/readyz",
            "the balancer there",
        ),
        (
            AwaitGuard(("https://192.168.1.10:6443",)),
            "the admission policy kanae-kubernetes-service on every API server",
            "crictl logs",
        ),
        (
            AwaitProxies("nftables", ("192.168.1.5:6443",)),
            "kube-proxy to lead pods to the others",
            "crictl logs",
        ),
        (
            AwaitHandOver("kanae-hand-over-it.service", ("10.0.0.100",), (6440,)),
            "clients to go to the other balancers",
            "journalctl -u kanae-hand-over-it.service",
        ),
        (AwaitKubelet(10248), "kubelet to be healthy", "journalctl -u kubelet"),
        (AwaitNodes(("m1",), True), "cluster DNS to serve", "kubectl describe node"),
    ],
)
async def test_a_wait_ends_with_what_it_waited_for_what_it_saw_and_what_to_do(
    action: Action, waited_for: str, remedy: str
) -> None:
    error = await failure(Answering(), action, LIMIT)
    assert waited_for in error.message
    assert "last seen: connection refused" in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("action", "command"),
    [
        (ApplyObjects(("{}",)), "kubectl apply"),
        (DeleteObjects((ObjectKey("nodes", "", "a"),)), "kubectl delete (1 objects)"),
        (SetNode("m1"), "kubectl patch node m1"),
        (UploadConfig("c"), "kubeadm init phase upload-config all"),
        (Addon("coredns", "c"), "kubeadm init phase addon coredns"),
        (ReconfigureKubelet("e"), "kubeadm upgrade node phase kubelet-config"),
        (ReconfigureControlPlane("c", "f", "m1", 6443), "kubeadm init phase control-plane all"),
    ],
)
async def test_a_command_that_does_not_end_is_named_with_what_to_do(
    action: Action, command: str
) -> None:
    error = await failure(Answering(hangs=True), action, LIMIT)
    assert isinstance(error, StepTimedOut)
    assert command in error.message
    assert error.remedy


@pytest.fixture
def host(tmp_path: Path) -> ShellHost:
    host = ShellHost("m1", tmp_path)
    manifests, marks = host.path(at.MANIFESTS), host.path("/var/lib/kanae/marks")
    manifests.mkdir(parents=True)
    marks.mkdir(parents=True)
    (manifests / "kube-apiserver.yaml").write_text("old")
    return host


@pytest.mark.parametrize(
    "action", [KubeadmInit("a: b", "f", "e", "demo"), KubeadmJoin("a: b", "f", "e", False, "m1")]
)
async def test_a_kubeadm_that_does_not_end_is_told_with_the_end_of_its_log(
    host: ShellHost, action: Action
) -> None:
    os.mkfifo(host.folder / "never")
    host.program(
        "kubeadm", f'[ "$1" = config ] || {{ echo waiting for kubelet; cat {host.folder}/never; }}'
    )
    error = await failure(host, action, 2.5)
    assert "waiting for kubelet" in error.message
    assert "did not end within 1 s and was ended" in error.message
    assert "kubeadm" in error.remedy


async def test_an_api_server_that_does_not_come_back_is_shown_with_what_to_do(
    host: ShellHost,
) -> None:
    manifest = host.path(at.MANIFESTS) / "kube-apiserver.yaml"
    made = host.path(at.PKI) / "apiserver.new"
    made.parent.mkdir(parents=True)
    made.parent.joinpath("ca.key").touch()
    joined = host.path(marks.path(marks.JOINED))
    joined.parent.mkdir(parents=True, exist_ok=True)
    joined.write_text("f\n")
    host.program(
        "kubeadm",
        f'[ "$3" != certs ] || touch {made}/apiserver.crt {made}/apiserver.key\n'
        f'[ "$3" != control-plane ] || echo new >{manifest}',
    )
    host.program("crictl", '[ "$1 $2" != "ps -a" ] || echo Exited kube-apiserver')
    error = await failure(host, ReconfigureControlPlane("c", "f", "m1", 6443), 2.5)
    assert "Exited kube-apiserver" in error.message
    assert "the new API server is not ready" in error.message
    assert "crictl logs" in error.remedy
    assert joined.read_text() != "f\n"


@pytest.mark.parametrize(
    "action",
    [
        KubeadmInit("nonsense: 1", "f", "e", "demo"),
        UploadConfig("nonsense: 1"),
        ReconfigureControlPlane("nonsense: 1", "f", "m1", 6443),
        Addon("kube-proxy", "nonsense: 1"),
    ],
)
async def test_what_kubeadm_refuses_is_told_in_its_words_before_anything_is_changed(
    host: ShellHost, action: Action
) -> None:
    """As kubeadm v1.37 puts it; its phases themselves only warn of an unknown field."""
    ran = host.folder / "ran"
    host.program(
        "kubeadm",
        f"""[ "$1 $2 $3" = "config validate --config" ] || {{ echo "$*" >>{ran}; exit 0; }}
grep -q '^nonsense' "$4" || exit 0
echo 'error: ... strict decoding error: unknown field "nonsense"' >&2
exit 1""",
    )
    before = {path for path in host.folder.rglob("*") if path.is_file()}
    error = await failure(host, action, 2.5)
    assert "refuses the configuration" in error.message
    assert 'unknown field "nonsense"' in error.message
    assert "in the spec" in error.remedy
    assert not ran.exists()
    after = {path for path in host.folder.rglob("*") if path.is_file()}
    assert {path.name for path in after - before} <= {"kubeadm.lock"}


async def test_there_is_always_some_time_left() -> None:
    step = Step("m1/stage/it", "m1", "stage", "do it", AwaitKubelet(1), timeout=300.0)
    now = asyncio.get_running_loop().time()
    fresh = StepContext(step, OneHost(Answering()), Values(), now + 300.0)
    late = StepContext(step, OneHost(Answering()), Values(), now - 5.0)
    assert fresh.left() == pytest.approx(270.0, abs=5.0)
    assert fresh.left_on_host() == pytest.approx(255.0, abs=5.0)
    assert 0 < late.left_on_host() < late.left() < 1
