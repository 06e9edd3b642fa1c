"""The journal on disk: what it keeps, what it never keeps, and what a crash leaves."""

from __future__ import annotations

import base64
import errno
import os
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanae.execute.events import (
    Outcome,
    RunEnded,
    RunStarted,
    RunStopping,
    StepEnded,
    StepProgress,
    StepStarted,
)
from kanae.execute.journal import Journal, new_run_id, read, read_run
from kanae.execute.redact import MASK, Redactor
from kanae.execute.values import Values

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def _whole(run: str) -> Path:
    with Journal("demo", run) as journal:
        journal.record(RunStarted(1.0, run, "demo", 2))
        journal.record(StepStarted(2.0, "a", "m1", "do a"))
        journal.record(StepEnded(3.0, "a", "m1", Outcome.CHANGED, 1.0))
        journal.record(StepStarted(4.0, "b", None, "do b"))
        journal.record(StepEnded(5.0, "b", None, Outcome.INDETERMINATE, 1.0, "lost"))
        journal.record(RunStopping(5.5, ("b",)))
        journal.record(RunEnded(6.0, run, {"changed": 1, "indeterminate": 1}))
    return journal.path


def test_what_is_recorded_is_read_back() -> None:
    record = read_run(_whole("r1"))
    assert record is not None
    assert record.started.steps == 2
    assert record.outcomes["a"].outcome is Outcome.CHANGED
    assert record.unfinished == ("b",)
    assert record.ended == RunEnded(6.0, "r1", {"changed": 1, "indeterminate": 1})


def test_only_the_owner_can_read_it() -> None:
    path = _whole("r1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_each_record_is_on_disk_before_the_next_thing_happens() -> None:
    with Journal("demo", "r1") as journal:
        journal.record(RunStarted(1.0, "r1", "demo", 1))
        journal.record(StepStarted(2.0, "a", "m1", "do a"))
        journal.record(StepProgress(2.5, "a", "m1", "half", 0.5))
        assert [type(e) for e in read(journal.path)] == [RunStarted, StepStarted]


def test_cut_anywhere_it_reads_as_a_prefix_of_itself() -> None:
    path = _whole("r1")
    whole, data = list(read(path)), path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        events = list(read(path))
        assert events == whole[: len(events)]
        assert len(events) == data[:size].count(b"\n")


def test_run_ids_are_not_used_twice() -> None:
    run = new_run_id()
    Journal("demo", run).close()
    with pytest.raises(FileExistsError):
        Journal("demo", run)
    with pytest.raises(ValueError, match="no run id"):
        Journal("demo", "../../etc/passwd")


SECRETS = [
    PEM,
    PEM.replace("\n", "\\n"),
    PEM[:40],
    "abcdef.0123456789abcdef",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVz.c2lnbmF0dXJlLW9m",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_not_written(secret: str) -> None:
    with Journal("demo", "r1") as journal:
        journal.record(StepEnded(1.0, "a", "m1", Outcome.FAILED, 1.0, f"before {secret} after"))
    text = journal.path.read_text()
    assert "MIIEow" not in text
    assert secret not in text
    assert MASK in text


KEY = base64.b64encode(PEM.encode()).decode()
OPAQUE = "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="


@pytest.mark.parametrize(
    "text",
    [
        f"client-key-data: {OPAQUE}",
        f'{{"client-key-data": "{OPAQUE}"}}',
        f'{{"client-key-data":"{OPAQUE}","x":1}}',
        f'"{{\\"client-key-data\\":\\"{OPAQUE}\\"}}"',
        f"client-key-data: '{OPAQUE}'",
        f"tls.key: {KEY}",
        f'{{"tls.key": "{KEY}"}}',
        f'{{"auths": {{"r.example": {{"auth": "{OPAQUE}"}}}}}}',
        f'password = "{OPAQUE}"',
        f'{{"Password":"{OPAQUE}"}}',
        f'"{{\\"token\\": \\"{OPAQUE}\\"}}"',
    ],
)
def test_secrets_are_masked_in_every_form_in_which_files_hold_them(text: str) -> None:
    shown = Redactor()(f"before {text} after")
    assert OPAQUE not in shown
    assert KEY[-20:] not in shown
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_prose_about_secrets_is_left_alone() -> None:
    text = "sudo wants a password: put it into a variable; token: see docs; authority: ca"
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    "named",
    [
        "--certificate-key ",
        "--certificate-key=",
        "certificateKey: ",
        'certificateKey: "',
        '"certificateKey": "',
        '\\"certificateKey\\":\\"',
    ],
)
def test_certificate_keys_are_masked_where_they_are_named(named: str) -> None:
    assert "ab12" not in Redactor()(named + "ab12" * 16)
    assert "ab12" in Redactor()("sha256:" + "ab12" * 16)


@given(st.text(min_size=8).filter(lambda t: len(t.strip()) >= 8), st.text(), st.text())
def test_values_of_a_run_are_masked_wherever_they_are(value: str, left: str, right: str) -> None:
    values = Values()
    values.put("secret", value)
    if not value.startswith("-----") and MASK not in value and value not in MASK:
        assert value not in values.redactor(left + value).replace(MASK, "\0")


def test_values_show_names_only_and_are_never_pickled() -> None:
    values = Values()
    values.put("token", "correct-horse-battery")
    assert repr(values) == "Values(token)"
    assert values.get("token") == "correct-horse-battery"
    for secretive in (values, values.redactor):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(secretive)


def _full_after(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Room for so many more bytes on the disk of the journal; the first write is cut short."""
    real = os.write
    left = [room]

    def write(file: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(file, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_record_that_the_disk_cuts_short_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    started, ended = RunStarted(1.0, "r1", "demo", 1), RunEnded(6.0, "r1", {})
    with Journal("demo", "r1") as journal:
        journal.record(started)
        with monkeypatch.context() as full:
            _full_after(full, room)
            for _ in range(2):
                with pytest.raises(OSError, match="No space"):
                    journal.record(StepStarted(2.0, "a", "m1", "do a"))
        journal.record(ended)
    assert list(read(journal.path)) == [started, ended]


def test_a_record_that_goes_to_disk_in_pieces_is_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.write

    def write(file: int, data: bytes) -> int:
        return real(file, data[:7])

    monkeypatch.setattr(os, "write", write)
    assert len(list(read(_whole("r1")))) == 7


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "step-ended", "at": 1, "step": "a", "host": "m1", "outcome": "warmed", '
        b'"seconds": 1}',
        b'{"event": "step-ended", "at": 1, "step": "a", "host": "m1", "outcome": [], "seconds": 1}',
        b'{"event": "run-stopping", "at": 1, "steps": 3}',
        b'{"event": "run-ended", "later": true}',
        b'{"event": "run-end\xff',
        b"[]",
        b"",
    ],
)
def test_what_is_no_record_of_this_version_does_not_end_the_reader(line: bytes) -> None:
    path = _whole("r1")
    whole = list(read(path))
    path.write_bytes(line + b"\n" + path.read_bytes() + line + b"\n")
    assert list(read(path)) == whole


def test_any_text_of_a_host_is_written_and_read_back() -> None:
    event = StepEnded(1.0, "a", "m1", Outcome.FAILED, 1.0, "broken \udcff, Zürich, \U0001f980")
    with Journal("demo", "r1") as journal:
        journal.record(event)
    assert list(read(journal.path)) == [event]
