"""The result of a verb that changes a cluster, for programs: its run, as the journal tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from kanae.cli.output import emit
from kanae.errors import RunFailed
from kanae.operations.change import Changed, Ending


def carried_out(changing: Coroutine[Any, Any, Changed], output: str) -> Changed:
    """Run it to its end. With an output for programs its result is written, also when it failed."""
    try:
        done = asyncio.run(changing)
    except RunFailed as error:
        if output != "text" and error.log is not None:
            _emit(error.log, output)
        raise
    if output != "text":
        if done.log is not None:
            _emit(done.log, output)
        elif done.ending is Ending.NOTHING_TO_DO:
            emit({"cluster": done.plan.cluster, "state": done.ending.value}, output, str)
    return done


def _emit(log: Path, output: str) -> None:
    from kanae.execute.journal import read_run
    from kanae.report.run_text import run_data

    record = read_run(log)
    if record is not None:
        emit(run_data(record), output, str)
