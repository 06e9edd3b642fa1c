"""How long `kanae apply` takes to build examples/reference.yaml, against a script written by hand.

Both in one run on the same lab hosts by turns, each from hosts that have binaries, packages and
images and no cluster (`kanae reset --keep-artifacts` before each): reference_by_hand.sh runs the
same kubeadm commands with the same configuration, in parallel, over plain ssh. With --bare also
from new hosts with nothing on them: packages, binaries and images delivered. Needs root.
"""

from __future__ import annotations

import argparse

from by_hand import SCRIPT, write
from figures import Figure, ratio, table
from setting import Setting, setting, timed


def by_turns(here: Setting, rounds: int, hand: Figure, kanae: Figure) -> None:
    """The hosts are prepared by a whole apply first, outside the measurement."""
    here.kanae("apply", "--yes")
    for turn in range(rounds):
        pair = [(hand, lambda: timed([str(SCRIPT), str(write(here))])),
                (kanae, lambda: here.kanae("apply", "--yes"))]  # fmt: skip
        # Who begins changes from round to round: a cache that the first one warms serves both.
        for figure, build in pair if turn % 2 == 0 else reversed(pair):
            here.kanae("reset", "--yes", "--keep-artifacts")
            figure.add(_said(figure, build()))


def from_bare(here: Setting, rounds: int, figure: Figure) -> None:
    for _ in range(rounds):
        here.lab("down")
        here.lab("up")
        figure.add(_said(figure, here.kanae("apply", "--yes")))


def _said(figure: Figure, seconds: float) -> float:
    print(f"{figure.name}: {seconds:.1f} s", flush=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (default 3)")
    parser.add_argument("--bare", action="store_true", help="measure from bare hosts, too")
    parser.add_argument("--only-bare", action="store_true", help="measure from bare hosts only")
    parser.add_argument("--subnet", default="10.79.1", help="of the lab (default 10.79.1)")
    arguments = parser.parse_args()
    hand, kanae = Figure("script by hand"), Figure("kanae apply")
    bare = Figure("kanae apply, bare hosts", target=75)
    with setting("reference", "bench-apply", arguments.subnet) as here:
        here.lab("up")
        if not arguments.only_bare:
            by_turns(here, arguments.rounds, hand, kanae)
        if arguments.bare or arguments.only_bare:
            from_bare(here, arguments.rounds, bare)
    figures = [hand, kanae, bare]
    if kanae.values:
        figures.insert(2, ratio(kanae, hand, target=1.1))
    print(table(figures))


if __name__ == "__main__":
    main()
