"""How long six hosts take to come up from a warm cache, to be cut and powered on, and to go.

    python bench/lab_up_down.py [ROUNDS]

Needs root and the base root (built first, outside the measurement). Prints one line per
quantity: median, best and worst in seconds over ROUNDS (3), and how up compares with one host
alone, so that the figures of two machines can be compared.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from kanae.lab import base, faults
from kanae.lab import lab as labs
from kanae.lab.lab import Lab
from kanae.lab.release import DEFAULT
from kanae.spec.load import loads
from kanae.spec.models import Spec


def spec(hosts: int) -> Spec:
    lines = [f"name: bench-{os.getpid()}", "kubernetes: v1.37.2", "hosts:"]
    for index in range(hosts):
        role = "worker" if index else "control-plane"
        lines.append(f"  h{index}: {{address: 10.239.77.{10 + index}, roles: [{role}]}}")
    return loads("\n".join(lines) + "\n", "bench")


def quiet(_: str) -> None:
    pass


def timed(figures: dict[str, list[float]], what: str, action: Callable[[], object]) -> None:
    start = time.perf_counter()
    action()
    figures.setdefault(what, []).append(time.perf_counter() - start)


def round_of(hosts: int, figures: dict[str, list[float]]) -> None:
    wanted = spec(hosts)
    size = f"{hosts} host{'s' if hosts > 1 else ''}"
    timed(figures, f"up, {size}", lambda: labs.up(wanted, quiet))
    if hosts == 1:
        lab = Lab.open(wanted.name)
        timed(figures, "power-cut, 1 host", lambda: faults.power_cut(lab, "h0"))
        timed(figures, "power-on until sshd answers, 1 host", lambda: faults.power_on(lab, "h0"))
        timed(figures, "power-off, 1 host", lambda: faults.power_off(lab, "h0"))
    timed(figures, f"down, {size}", lambda: labs.down(wanted.name, quiet))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    base.ensure(DEFAULT, print)
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        for _ in range(rounds):
            round_of(1, figures)
            round_of(6, figures)
    for what, seconds in figures.items():
        middle = statistics.median(seconds)
        print(f"{what:<36} {middle:6.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")
    ratio = statistics.median(figures["up, 6 hosts"]) / statistics.median(figures["up, 1 host"])
    print(f"six hosts take {ratio:.1f} times as long to come up as one")


if __name__ == "__main__":
    main()
