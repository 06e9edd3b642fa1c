from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from kanae.lab.processes import Process, start_time


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_process_is_known_by_pid_and_start_time(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert process.alive
    assert process in (Process.of(os.getpid()) or process).children()
    assert not process.is_init


def test_pid_with_another_start_time_is_neither_alive_nor_signalled(
    child: subprocess.Popen[bytes],
) -> None:
    start = start_time(child.pid)
    assert start is not None
    reused = Process(child.pid, start - 1)
    assert not reused.alive
    assert reused.children() == ()
    assert not reused.signal(signal.SIGKILL)
    assert child.poll() is None


def test_signal_reaches_the_process_and_the_dead_are_gone(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert process.signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    assert not process.alive
    assert Process.of(child.pid) is None
    assert not process.signal(signal.SIGKILL)
