"""Scripts on a host, over a real sshd."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from contract_sshd import Sshd

from kanae.errors import ConnectError, ConnectionLost, LeaseHeld, StepTimedOut
from kanae.execute.scripts import lease
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import Upload
from kanae.transport.remote import MARK
from kanae.transport.ssh import SshTransport
from kanae.transport.target import KEEPALIVE, KEEPALIVE_MISSED


def _marked(mark: str) -> list[str]:
    """Command lines of processes of a run, as seen from outside of SSH."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


async def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what other processes do sends no event
            await asyncio.sleep(0.05)


async def _begun(transport: SshTransport, folder: Path, script: str) -> asyncio.Task[object]:
    """A script that runs: it has made a file by which that is seen."""
    begun = folder / "begun"
    work: Awaitable[object] = transport.run(f"touch {begun}; {script}", timeout=120)
    task = asyncio.ensure_future(work)
    await _until(begun.exists)
    return task


async def test_status_output_and_errors_come_back_apart(transport: SshTransport) -> None:
    done = await transport.run("echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", "err\n")


async def test_input_and_output_are_binary(transport: SshTransport) -> None:
    data = bytes(range(256)) * 20_000
    done = await transport.run("cat", stdin=data)
    assert done.stdout == data


async def test_a_script_larger_than_an_argument_may_be(transport: SshTransport) -> None:
    script = "".join(f": {number:0100d}\n" for number in range(2500)) + "cat; echo end"
    assert len(script) > 200_000
    done = await transport.run(script, stdin=b"data ")
    assert done.stdout == b"data end\n"


async def test_nothing_of_a_script_is_in_the_process_list(
    transport: SshTransport, tmp_path: Path
) -> None:
    task = await _begun(transport, tmp_path, ": hunter2-in-the-script; sleep 60")
    listed = _marked(transport.mark)
    task.cancel()
    assert listed
    assert not any("hunter2" in line for line in listed)
    await asyncio.gather(task, return_exceptions=True)


async def test_the_environment_is_the_same_everywhere(transport: SshTransport) -> None:
    done = await transport.run('echo "$LC_ALL $PATH"')
    assert done.stdout.startswith(b"C /usr/local/sbin:/usr/local/bin:/usr/sbin")


async def test_a_signal_becomes_128_and_its_number(transport: SshTransport) -> None:
    assert (await transport.run("kill -KILL $$")).status == 128 + signal.SIGKILL


async def test_fifty_runs_at_once_stay_below_the_session_limit(transport: SshTransport) -> None:
    done = await asyncio.gather(*(transport.run(f"echo {n}", timeout=120) for n in range(50)))
    assert [int(one.stdout) for one in done] == list(range(50))


async def test_a_command_out_of_time_is_ended_with_its_children(transport: SshTransport) -> None:
    with pytest.raises(StepTimedOut, match="within 1 s"):
        await transport.run("sleep 71 & sleep 72", timeout=1)
    await _until(lambda: not _marked(transport.mark))


async def test_a_script_may_end_with_the_status_of_timeout(transport: SshTransport) -> None:
    assert (await transport.run("exit 124")).status == 124


async def test_a_cancelled_command_is_ended_even_if_it_left_its_session(
    transport: SshTransport, tmp_path: Path
) -> None:
    task = await _begun(transport, tmp_path, "setsid sleep 73 & sleep 74")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _marked(transport.mark) == []
    assert (await transport.run("echo next")).stdout == b"next\n"


async def test_a_lost_connection_is_never_success(
    sshd: Sshd, transport: SshTransport, tmp_path: Path
) -> None:
    task = await _begun(transport, tmp_path, "sleep 75")
    sshd.cut()
    with pytest.raises(ConnectionLost, match="not known"):
        await task
    assert await transport.leftovers() > 0
    assert _marked(transport.mark) == []
    assert (await transport.run("echo again")).stdout == b"again\n"


async def test_what_a_lost_connection_left_may_be_given_time_to_end(
    sshd: Sshd, transport: SshTransport, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    task = await _begun(transport, tmp_path, f"sleep 1; touch {ended}")
    sshd.cut()
    with pytest.raises(ConnectionLost):
        await task
    assert await transport.leftovers(grace=20) == 0
    assert ended.exists()


async def test_a_silent_host_is_noticed_while_a_command_runs(
    sshd: Sshd, transport: SshTransport, tmp_path: Path
) -> None:
    task = await _begun(transport, tmp_path, "sleep 76")
    began = time.monotonic()
    sshd.cut(signal.SIGSTOP)
    with pytest.raises(ConnectionLost):
        await task
    assert time.monotonic() - began < KEEPALIVE * (KEEPALIVE_MISSED + 1) + 3
    sshd.cut(signal.SIGKILL)
    await transport.leftovers()


async def test_a_cut_connection_with_nothing_running_is_opened_again(
    sshd: Sshd, transport: SshTransport
) -> None:
    await transport.run("true")
    sshd.cut()
    await _until(lambda: transport.closed)
    assert (await transport.run("echo back")).stdout == b"back\n"


async def test_a_host_that_stays_away_is_a_connect_error(sshd: Sshd) -> None:
    transport = sshd.transport(port=1)
    with pytest.raises(ConnectError, match="refused"):
        await transport.run("true")


async def test_what_another_run_left_is_given_time_and_then_ended(
    sshd: Sshd, tmp_path: Path
) -> None:
    dead, other = sshd.transport(run_id="dead"), sshd.transport(run_id="other")
    for name in ("patient", "endless", "foreign"):
        (tmp_path / name).mkdir()
    ended = tmp_path / "ended"
    works = [
        await _begun(dead, tmp_path / "patient", f"sleep 1; touch {ended}"),
        await _begun(dead, tmp_path / "endless", "setsid sleep 77"),
        await _begun(other, tmp_path / "foreign", "sleep 78"),
    ]
    sshd.cut()
    await asyncio.gather(*works, return_exceptions=True)
    spec = Spec.model_validate(
        {
            "name": "one",
            "kubernetes": "1.37.2",
            "ssh": {
                "user": "root",
                "port": sshd.port,
                "key": str(sshd.folder / "id"),
                "known_hosts": str(sshd.folder / "known_hosts"),
            },
            "hosts": {"m1": {"address": "127.0.0.1", "roles": ["control-plane"]}},
        }
    )
    async with Fleet(spec, run_id="new") as fleet:
        await fleet.settle("dead", grace=3)
        assert ended.exists()
        assert _marked(dead.mark) == []
        assert _marked(other.mark) != []
        await fleet.settle("other")
        assert _marked(other.mark) == []


class Kept:
    """A fence on one file. regained: hosts that kept a script off."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.regained: list[str] = []

    def guard(self, host: str) -> str:
        return lease.guard(str(self.file), "r1")

    async def confirm(self) -> None:
        """Nobody sleeps here."""

    async def regain(self, host: str) -> None:
        self.regained.append(host)
        if self.file.exists():
            raise LeaseHeld("ann has it")
        self.file.write_text("0\nr1\n")


async def test_scripts_and_files_pass_the_fence_of_their_own_run_only(
    transport: SshTransport, tmp_path: Path
) -> None:
    fence = Kept(tmp_path / "lease")
    transport.fence = fence
    target = tmp_path / "target"
    # Not there: the host has booted. What was sent is then sent again, data and all.
    await transport.upload([Upload(str(target), b"ours" * 100_000)])
    assert (await transport.run("cat", stdin=b"data")).stdout == b"data"
    assert fence.regained == [transport.host]
    fence.file.write_text("0\nr2\n")
    with pytest.raises(LeaseHeld):
        await transport.upload([Upload(str(target), b"theirs")])
    with pytest.raises(LeaseHeld):
        await transport.run(f"rm {target}")
    assert target.read_bytes() == b"ours" * 100_000
    done = await transport.run_unfenced("echo ran", timeout=10)
    assert done.stdout == b"ran\n"
