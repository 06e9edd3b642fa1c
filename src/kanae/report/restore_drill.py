"""The drill of restoring, for people and for programs."""

from __future__ import annotations

from typing import Any

from kanae.backup.model import told
from kanae.operations.restore_drill import Part, Tested

_VERDICTS = {True: "passed", False: "FAILED", None: "not tried"}


def tested_data(done: Tested) -> dict[str, Any]:
    return {
        "passed": done.passed,
        "host": done.host,
        "rto_seconds": round(done.rto, 3),
        "rpo_seconds": round(done.rpo, 3),
        "parts": [
            {
                "name": part.name,
                "passed": part.passed,
                "seconds": round(part.seconds, 3),
                "what": part.what,
            }
            for part in done.parts
        ],
        "keys": dict(sorted(done.keys.items())),
        "manifest": told(done.manifest),
    }


def tested_text(done: Tested) -> str:
    def line(part: Part) -> str:
        return f"{part.name:<8}  {_VERDICTS[part.passed]:<9}  {part.seconds:>7.1f} s  {part.what}"

    return "\n".join(
        [
            *map(line, done.parts),
            f"restored on {done.host} in {done.rto:.1f} s (RTO of etcd's data); a restore now would"
            f" lose {done.rpo:.0f} s (RPO)",
        ]
    )
