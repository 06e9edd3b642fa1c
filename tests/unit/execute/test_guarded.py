"""kubeadm is never run twice at once, nor again after it succeeded; a real shell runs the script,
and a program of the test's plays kubeadm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kanae.errors import DiskFull, StepFailed
from kanae.execute.actions.guarded import raised, took_effect
from kanae.execute.scripts import guarded
from kanae.execute.scripts import kubeadm as scripts
from kanae.layout import paths as at
from kanae.layout import proxies
from kanae.plan.actions import KubeadmInit, ReconfigureKubelet
from kanae.transport.protocol import Completed

from .shell_host import ShellHost

MARK = "/var/lib/kanae/marks/joined"
CONFIG = "/run/kanae/kubeadm-join.yaml"


class Kubeadm:
    """A host with a kubeadm that says what it was given, and may be held until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.host = ShellHost("m1", folder)
        self.calls = folder / "calls"
        self.gate = folder / "gate"
        self.tasks: list[asyncio.Task[Completed]] = []
        self.plays("cat $config_file >&2; exit 0")

    def plays(self, script: str, *, held: bool = False) -> None:
        wait = f"cat {self.gate} >/dev/null\n" if held else ""
        if held and not self.gate.exists():
            os.mkfifo(self.gate)
        self.host.program(
            "kubeadm",
            '[ "$1" != config ] || exit 0\n'
            f'config_file=$3; echo "$*: $(cat "$3"); $(stat -c %a "$3"); ${{KANAE_RUN:-no mark}}" '
            f">>{self.calls}\n{wait}{script}\n",
        )

    def let_go(self) -> None:
        self.gate.write_text("go")

    @property
    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def begin(
        self, *, limit: float = 30, after: str = "", before: str = ""
    ) -> asyncio.Task[Completed]:
        text = guarded.run(
            "kubeadm-join",
            'kubeadm join --config "$config"',
            mark="joined",
            limit=limit,
            after=after,
            before=before,
        )
        task = asyncio.ensure_future(self.host.run(text, stdin=b"token: secret"))
        self.tasks.append(task)
        return task

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110  # what other processes do sends no event
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def kubeadm(tmp_path: Path) -> AsyncIterator[Kubeadm]:
    played = Kubeadm(tmp_path)
    yield played
    for task in played.tasks:
        task.cancel()
    await asyncio.gather(*played.tasks, return_exceptions=True)


async def test_success_is_marked_with_what_after_leaves_and_the_configuration_is_gone(
    kubeadm: Kubeadm,
) -> None:
    done = await kubeadm.begin(after='echo fingerprint >"$mark.new"')
    assert done.status == 0
    config = kubeadm.host.path(CONFIG)
    assert kubeadm.called == [f"join --config {config}: token: secret; 600; no mark"]
    assert kubeadm.host.path(MARK).read_text() == "fingerprint\n"
    assert kubeadm.host.path(MARK).stat().st_mode & 0o777 == 0o600
    assert not config.exists()


async def test_what_comes_before_is_done_before_kubeadm_runs(kubeadm: Kubeadm) -> None:
    started = kubeadm.host.path("/var/lib/kanae/marks/init-started")
    kubeadm.plays(f"[ -e {started} ]")
    done = await kubeadm.begin(before="touch /var/lib/kanae/marks/init-started")
    assert done.status == 0


async def test_after_a_success_nothing_is_run_again(kubeadm: Kubeadm) -> None:
    await kubeadm.begin()
    done = await kubeadm.begin()
    assert done.status == 0
    assert guarded.ALREADY in done.stdout.decode()
    assert len(kubeadm.called) == 1
    assert not kubeadm.host.path(CONFIG).exists()


async def test_a_failure_keeps_its_status_and_says_the_end_of_its_output(
    kubeadm: Kubeadm,
) -> None:
    kubeadm.plays('seq 100; echo "it went wrong" >&2; exit 9')
    done = await kubeadm.begin()
    assert done.status == 9
    assert done.stderr.splitlines()[-2:] == ["100", "it went wrong"]
    assert len(done.stderr.splitlines()) == 25
    assert not kubeadm.host.path(MARK).exists()
    assert not kubeadm.host.path(CONFIG).exists()
    kubeadm.plays("exit 0")
    assert (await kubeadm.begin()).status == 0
    assert len(kubeadm.called) == 2


async def test_a_record_that_cannot_be_made_is_no_success(kubeadm: Kubeadm) -> None:
    done = await kubeadm.begin(after="false")
    assert done.status != 0
    assert not kubeadm.host.path(MARK).exists()


@pytest.mark.parametrize("lost", ["manifests/etcd.yaml", "config.yaml"])
async def test_an_init_of_which_a_record_cannot_be_made_is_no_success(
    kubeadm: Kubeadm, lost: str
) -> None:
    folder = kubeadm.host.path("/etc/kubernetes")
    for name in {"manifests/etcd.yaml", "config.yaml"} - {lost}:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    action = KubeadmInit("", "fingerprint", "fingerprint", "c")
    script = scripts.init(action, 30).replace(at.KUBELET_CONFIG, f"{at.KUBERNETES}/config.yaml")
    assert (await kubeadm.host.run(script, stdin=b"")).status != 0
    assert not kubeadm.host.path(MARK).exists()


async def test_a_second_one_waits_for_the_first_and_does_not_repeat_it(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 0", held=True)
    first = kubeadm.begin()
    await kubeadm.until(lambda: len(kubeadm.called) == 1)
    second = kubeadm.begin()
    await kubeadm.until(lambda: len(kubeadm.host.pids) == 2)
    kubeadm.let_go()
    assert [done.status for done in await asyncio.gather(first, second)] == [0, 0]
    assert len(kubeadm.called) == 1


async def test_one_that_does_not_get_its_turn_says_so(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 0", held=True)
    first = kubeadm.begin()
    await kubeadm.until(lambda: len(kubeadm.called) == 1)
    late = await kubeadm.begin(limit=1)
    assert late.status == guarded.BUSY
    assert "another kubeadm still runs" in late.stderr
    kubeadm.let_go()
    assert (await first).status == 0


async def test_one_that_takes_too_long_is_ended_and_is_no_success(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 0", held=True)
    done = await kubeadm.begin(limit=1)
    assert done.status == 124
    assert not kubeadm.host.path(MARK).exists()


async def _lost(kubeadm: Kubeadm) -> None:
    """The shell that waits for kubeadm is gone, as when its connection and its run are ended."""
    kubeadm.begin()
    await kubeadm.until(lambda: len(kubeadm.called) == 1)
    for pid in kubeadm.host.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_it_outlives_the_connection_and_its_outcome_is_waited_for(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 0", held=True)
    await _lost(kubeadm)
    asked = asyncio.ensure_future(took_effect(kubeadm.host, "joined", 20))
    await kubeadm.until(lambda: len(kubeadm.host.pids) == 1)
    assert not asked.done()
    kubeadm.let_go()
    assert await asked is True
    assert guarded.ALREADY in (await kubeadm.begin()).stdout.decode()
    assert len(kubeadm.called) == 1


async def test_one_that_failed_unseen_did_not_take_effect(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 3", held=True)
    await _lost(kubeadm)
    kubeadm.let_go()
    assert await took_effect(kubeadm.host, "joined", 20) is None


async def test_one_that_still_runs_at_the_deadline_is_not_known(kubeadm: Kubeadm) -> None:
    kubeadm.plays("exit 0", held=True)
    await _lost(kubeadm)
    assert await took_effect(kubeadm.host, "joined", 1) is None
    kubeadm.let_go()
    assert await took_effect(kubeadm.host, "joined", 20) is True


def test_the_remedy_fits_what_kubeadm_said(tmp_path: Path) -> None:
    host = ShellHost("m1", tmp_path)

    def error(said: str) -> StepFailed:
        done = Completed(1, b"", said)
        with pytest.raises(StepFailed) as caught:
            raised(host, done, "kubeadm join", {"deadline": "look at kubelet"}, "kubeadm-join")
        return caught.value

    assert error("context deadline exceeded").remedy == "look at kubelet"
    assert "/var/lib/kanae/log/kubeadm-join.log" in error("something else").remedy
    assert isinstance(error("write: No space left on device"), DiskFull)
    raised(host, Completed(0, b"", "context deadline"), "kubeadm join", {}, "kubeadm-join")


async def test_no_proxy_of_the_hosts_environment_reaches_kubeadm(
    kubeadm: Kubeadm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write it into the manifests of static pods, and ask its own API through it."""
    for name in proxies.VARIABLES:
        monkeypatch.setenv(name, "http://proxy.example:3128")
    seen = kubeadm.host.folder / "seen"
    kubeadm.host.program("systemctl", "exit 0\n")
    kubeadm.host.program("kubeadm", f'echo "$1 $2 $(env | grep -i _proxy=)" >>{seen}\n')
    await kubeadm.begin()
    await kubeadm.host.run(scripts.upload_config(30), stdin=b"config")
    await kubeadm.host.run(scripts.reconfigure_kubelet(ReconfigureKubelet("f" * 64), 30))
    assert seen.read_text().splitlines() == [
        "join --config ",
        "config validate ",
        "init phase ",
        "upgrade node ",
    ]


async def test_where_kubeadm_only_waited_the_services_log_is_shown(kubeadm: Kubeadm) -> None:
    kubeadm.host.program(
        "journalctl",
        """cat <<'END'
I1126 10:00:00.1 1 server.go:1] "all is well"
E1126 10:00:01.1 1 pod_workers.go:1] "Error syncing pod" err="cannot create sandbox"
E1126 10:00:02.1 1 pod_workers.go:1] "Error syncing pod" err="cannot create sandbox"
time="2026-11-26T10:00:00Z" level=info msg="starting"
time="2026-11-26T10:00:01Z" level=error msg="no snapshotter overlayfs"
END
""",
    )
    kubeadm.plays("echo 'error: context deadline exceeded'; exit 1")
    waited = await kubeadm.begin()
    assert waited.stderr.splitlines() == [
        "error: context deadline exceeded",
        '"Error syncing pod" err="cannot create sandbox"',
        '"no snapshotter overlayfs"',
    ]
    kubeadm.plays("echo '[preflight] Some fatal errors occurred'; exit 1")
    refused = await kubeadm.begin()
    assert refused.stderr.splitlines() == ["[preflight] Some fatal errors occurred"]
