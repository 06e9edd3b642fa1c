"""Progress as plain lines and as bars."""

from __future__ import annotations

import io

import pytest

from kanae.artifacts import console


def test_plain_progress_tells_begin_and_end_with_amount_and_rate() -> None:
    stream = io.StringIO()
    with console.progress(stream) as telling:
        telling.say("a line")
        with telling.task("fetching x") as task:
            task.total(2_000_000)
            task.advance(2_000_000)
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["a line", "fetching x"]
    assert lines[2].startswith("fetching x: done in ")
    assert "2.0 of 2.0 MB" in lines[2]


def test_plain_progress_tells_how_far_it_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    stream = io.StringIO()
    with console.progress(stream) as telling, telling.task("building", unit="packages") as task:
        task.total(4)
        task.advance(1)
    assert "building: 1 of 4 packages" in stream.getvalue()


def test_a_failed_task_is_not_told_as_done() -> None:
    stream = io.StringIO()
    with (
        pytest.raises(ValueError, match="boom"),
        console.progress(stream) as telling,
        telling.task("fetching x"),
    ):
        raise ValueError("boom")
    assert "done" not in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_finished_task_leaves_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with console.progress(stream) as telling:
        with telling.task("fetching x") as task:
            task.total(2_000_000)
            task.advance(2_000_000)
        telling.say("a line")
    assert "fetching x: done in" in stream.getvalue()
    assert "a line" in stream.getvalue()


@pytest.mark.parametrize(
    ("done", "total", "seconds", "unit", "text"),
    [
        (12_000_000, 48_000_000, 2, "bytes", "12.0 of 48.0 MB, 6.0 MB/s, 6 s left"),
        (12_000_000, 0, 2, "bytes", "12.0 MB, 6.0 MB/s"),
        (0, 48_000_000, 0, "bytes", "0.0 of 48.0 MB, 0.0 MB/s"),
        (310, 620, 90, "packages", "310 of 620 packages, 90 s left"),
        (7, 0, 1, "packages", "7 packages"),
    ],
)
def test_amounts_read_as_people_say_them(
    done: int, total: int, seconds: float, unit: str, text: str
) -> None:
    assert console.amount(done, total, seconds, unit) == text
