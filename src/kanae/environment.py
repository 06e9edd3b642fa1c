"""What the programs that kanae starts on the operator's machine inherit."""

from __future__ import annotations

import os

SUDO_PASSWORD = "KANAE_SUDO_PASSWORD"  # noqa: S105  # the variable's name


def inherited() -> dict[str, str]:
    """The operator's environment without the password that is meant for kanae alone."""
    return {name: value for name, value in os.environ.items() if name != SUDO_PASSWORD}
