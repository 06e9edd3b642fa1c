"""The journal on disk: what it keeps, what it never keeps, and what a crash leaves."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path
from typing import Any

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
from kanae.execute.journal import Journal, new_run_id
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


def _lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_a_journal_tells_intents_and_outcomes_a_line_each() -> None:
    assert _lines(_whole("r1")) == [
        {"event": "run-started", "at": 1.0, "run": "r1", "cluster": "demo", "steps": 2},
        {"event": "step-started", "at": 2.0, "step": "a", "host": "m1", "title": "do a"},
        {
            "event": "step-ended",
            "at": 3.0,
            "step": "a",
            "host": "m1",
            "outcome": "changed",
            "seconds": 1.0,
            "error": "",
        },
        {"event": "step-started", "at": 4.0, "step": "b", "host": None, "title": "do b"},
        {
            "event": "step-ended",
            "at": 5.0,
            "step": "b",
            "host": None,
            "outcome": "indeterminate",
            "seconds": 1.0,
            "error": "lost",
        },
        {"event": "run-stopping", "at": 5.5, "steps": ["b"]},
        {
            "event": "run-ended",
            "at": 6.0,
            "run": "r1",
            "counts": {"changed": 1, "indeterminate": 1},
        },
    ]


def test_only_the_owner_can_read_it() -> None:
    path = _whole("r1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_each_record_is_on_disk_before_the_next_thing_happens() -> None:
    with Journal("demo", "r1") as journal:
        journal.record(RunStarted(1.0, "r1", "demo", 1))
        journal.record(StepStarted(2.0, "a", "m1", "do a"))
        journal.record(StepProgress(2.5, "a", "m1", "half", 0.5))
        assert [line["event"] for line in _lines(journal.path)] == ["run-started", "step-started"]


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


@pytest.mark.parametrize("named", ["--certificate-key ", "--certificate-key=", "certificateKey: "])
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
