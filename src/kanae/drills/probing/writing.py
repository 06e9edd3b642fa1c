"""How records get from the process that makes them to the history: one JSON object a line.

Part of the prober, so of the standard library only; `history` reads them back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from kanae.drills.records import Record


def encode(record: Record) -> bytes:
    """Without a line end."""
    return json.dumps(record, default=_plain, separators=(",", ":")).encode()


def _plain(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(f"{type(value).__name__} cannot be in a record")


class Recorder:
    """Records on their way to `put`, which gets whole lines. They are buffered until `flush`."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._lines: list[bytes] = []

    def add(self, record: Record) -> None:
        self._lines.append(encode(record))

    def write(self, record: Record) -> None:
        """Hand on one record now."""
        self.add(record)
        self.flush()

    def flush(self) -> None:
        if self._lines:
            lines = self._lines
            self._lines = []
            self._put(b"\n".join(lines) + b"\n")


class Writer(Recorder):
    """Appends to a history file. Several processes may do so at once: each writes whole lines
    with a single write(2) on a descriptor opened with O_APPEND, so that lines never mix.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(self.append)
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, lines: bytes) -> None:
        """Lines that are records already, each with its end."""
        # The leading newline parts this from a line that a killed process left unfinished;
        # readers skip empty lines.
        data = b"\n" + lines
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        self.flush()
        os.close(self._fd)
