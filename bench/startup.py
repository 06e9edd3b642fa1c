"""Wall seconds of `kanae --help`, and of the bare interpreter for comparison."""

from __future__ import annotations

import argparse
import sys

from figures import Figure, table
from setting import timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs: int = parser.parse_args().runs
    figure, bare = Figure("kanae --help", target=0.25), Figure("python -c pass")
    for _ in range(runs):
        figure.add(timed([sys.executable, "-m", "kanae", "--help"]))
        bare.add(timed([sys.executable, "-c", "pass"]))
    print(table([figure, bare]))


if __name__ == "__main__":
    main()
