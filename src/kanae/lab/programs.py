"""Running this machine's programs, by argv, with their errors kept."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from kanae.errors import LabError


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """Standard output of a program that must succeed.

    timeout: seconds. Raises LabError with the end of standard error when the program fails, is
    missing or does not end.
    """
    shown = " ".join(argv[:6])
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]}: no such program", remedy="`kanae lab up` names it") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{shown}` did not end within {timeout:g} s") from error
    if done.returncode:
        end = "\n    ".join(done.stderr.rstrip().splitlines()[-8:])
        raise LabError(f"`{shown}` ended with status {done.returncode}\n    {end}")
    return done.stdout


def succeeds(argv: Sequence[str], *, stdin: str = "") -> bool:
    """Whether a program ends with status 0; a missing one does not."""
    try:
        run(argv, stdin=stdin)
    except LabError:
        return False
    return True
