"""A cluster on real lab hosts, driven by the commands that a user types."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of examples/reference.yaml; server5 is its client.
MASTERS = ("server1", "server2", "server3")
NODES = (*MASTERS, "server4")
WORKLOAD = "kanae.local/workload:1"
EXAMPLES = Path(__file__).parents[2] / "examples"
# A build from source with nothing cached, on two cores, and then some.
BUILD_TIMEOUT = 2400.0
APPLY_TIMEOUT = 900.0
# All hosts see the disk of the machine around them: were that full, kubelets would evict pods.
ROOMY = """kubelet:
  evictionHard: {nodefs.available: 1Mi, imagefs.available: 1Mi, memory.available: 50Mi}
"""


def until(
    condition: Callable[[], bool], what: str, timeout: float = 120.0, every: float = 0.2
) -> None:
    """Wait for a condition; fails when it does not come true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(every)


@dataclass
class Cluster:
    """spec: the file, as written for these tests. state: XDG_STATE_HOME of all its commands."""

    name: str
    spec: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.state), "NO_COLOR": "1"}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "kanae", *words]

    def kanae(
        self, *words: str, status: int | None = 0, timeout: float = APPLY_TIMEOUT, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run kanae to its end; its exit status must be as said, None for any."""
        done = subprocess.run(
            self.argv(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
        )
        assert status is None or done.returncode == status, (
            f"kanae {' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def apply(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.kanae("apply", str(self.spec), "--yes", *words)

    def edit(self, pattern: str, replacement: str) -> None:
        """Change the spec file by a regular expression that must fit."""
        text, count = re.subn(pattern, replacement, self.spec.read_text(), flags=re.MULTILINE)
        assert count, pattern
        self.spec.write_text(text)

    def plan(self) -> list[dict[str, Any]]:
        """The steps that apply would take, as JSON."""
        return json.loads(self.kanae("plan", str(self.spec), "-o", "json").stdout)["steps"]

    def changes(self) -> list[tuple[str, str, str, str]]:
        """(host, verb, kind, subject) of everything that apply would change."""
        return [
            (step["host"], change["verb"], change["kind"], change["subject"])
            for step in self.plan()
            for change in step["changes"]
        ]

    def on(
        self,
        host: str,
        command: str,
        *,
        status: int | None = 0,
        timeout: float = 120.0,
        stdin: bytes = b"",
    ) -> str:
        """Run a command on a host by plain ssh, as its root."""
        lab, own = (self.state / "kanae" / kind / self.name for kind in ("labs", "clusters"))
        config = next(file for each in (lab, own) if (file := each / "ssh_config").exists())
        # Machines that took the place of others show keys that were accepted for the cluster.
        accepted = own / "known_hosts"
        both = f"UserKnownHostsFile={accepted} {config.parent / 'known_hosts'}"
        done = subprocess.run(
            ["ssh", "-F", str(config), *(["-o", both] if accepted.exists() else []), host, command],
            capture_output=True,
            input=stdin,
            timeout=timeout,
        )
        said = done.stdout.decode()
        assert status is None or done.returncode == status, (
            f"{host}: {command}: {done.returncode}\n{said}\n{done.stderr.decode()}"
        )
        return said

    def in_time(self, host: str, command: str, timeout: float = 30.0) -> str:
        """As `on`, repeated until it succeeds: kube-proxy hears of a ready pod a little later than
        whoever waited for it.
        """
        answers: list[str] = []

        def answered() -> bool:
            try:
                answers.append(self.on(host, command))
            except AssertionError:
                return False
            return True

        until(answered, f"{command} on {host}", timeout)
        return answers[-1]

    @property
    def journals(self) -> list[Path]:
        folder = self.state / "kanae/clusters" / self.name / "journal"
        return sorted(folder.glob("*.jsonl"))

    def start_apply(self) -> Running:
        return Running(self, "apply", str(self.spec), "--yes")

    def kill_apply_when(self, record: str, step: str) -> None:
        """Start an apply and SIGKILL it as soon as its journal has this record."""
        with self.start_apply() as applying:
            applying.wait_for(record, step)


class Running:
    """A command in the background; killed at the end of the block if it still runs then."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self._cluster = cluster
        self._before = set(cluster.journals)
        self.process = subprocess.Popen(
            # A test session in the background may ignore SIGINT, which its children inherit.
            ["env", "--default-signal=INT", *cluster.argv(*words)],
            env=cluster.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, record: str, step: str) -> None:
        """Until the journal has this record; fails when the command ends before."""

        def written() -> bool:
            ended = self.process.poll() is not None
            if any(record in line and f'"{step}"' in line for line in self._lines()):
                return True
            if ended:
                raise AssertionError(f"ended before {record} of {step}: {self.stderr()}")
            return False

        until(written, f"{record} of {step}", APPLY_TIMEOUT, every=0.02)

    def _lines(self) -> list[str]:
        fresh = set(self._cluster.journals) - self._before
        return [line for journal in fresh for line in journal.read_text().splitlines()]

    def stderr(self) -> str:
        """What it said, after its end."""
        return self.process.communicate(timeout=APPLY_TIMEOUT)[1]

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def whole(cluster: Cluster) -> None:
    """The reference's cluster: nothing left to do, and four nodes Ready. When only the wait for
    that was cut off, the next apply finds nothing to do and does not wait.
    """
    left = cluster.plan()
    assert left == [], left
    cluster.on(
        "server5", "kubectl wait --for=condition=Ready node --all --timeout=120s", timeout=180
    )
    nodes = json.loads(cluster.on("server5", "kubectl get nodes -o json"))["items"]
    names = sorted(node["metadata"]["name"] for node in nodes)
    assert names == ["server1", "server2", "server3", "server4"]


def etcdctl(
    cluster: Cluster,
    words: str,
    *,
    host: str = "server1",
    status: int = 0,
    certificates: bool = True,
) -> str:
    """On a host with a member."""
    pki = "/etc/kubernetes/pki/etcd"
    client = (
        f"--cert {pki}/healthcheck-client.crt --key {pki}/healthcheck-client.key"
        if certificates
        else ""
    )
    return cluster.on(
        host,
        f"etcdctl --endpoints https://127.0.0.1:2379 --cacert {pki}/ca.crt {client} {words}",
        status=status,
    )


def kubectl(cluster: Cluster, words: str) -> str:
    """As a user on the client host, with nothing but what apply put there."""
    return cluster.on("server5", f"kubectl {words}")


def kubectl_json(cluster: Cluster, words: str) -> Any:
    return json.loads(kubectl(cluster, f"{words} -o json"))


def listening(cluster: Cluster, host: str) -> dict[int, str]:
    """Port -> process, as the kernel sees it."""
    lines = cluster.on(host, "ss -Hlntp").splitlines()
    found: dict[int, str] = {}
    for line in lines:
        process = re.search(r'\(\("([^"]+)"', line)
        found[int(line.split()[3].rsplit(":", 1)[1])] = process[1] if process else ""
    return found
