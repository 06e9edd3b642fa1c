"""Texts as they are recorded below tests/golden. `KANAE_GOLDEN=write pytest ...` writes them anew;
then read the difference before it is committed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

GOLDEN: Final = Path(__file__).parents[1] / "golden"


def agree(path: Path, text: str) -> None:
    if os.environ.get("KANAE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), path
