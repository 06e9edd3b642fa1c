"""Wall seconds of `kanae artifacts fetch` when everything is in the cache, and of `verify`.

    python bench/artifacts_warm.py [--runs 5]

The cache is the user's own; it is filled first. The difference between the two is what not reading
unchanged files again saves. JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def seconds(*arguments: str) -> float:
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "kanae", "artifacts", *arguments], check=True, capture_output=True
    )
    return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs: int = parser.parse_args().runs
    fetch = ("fetch", "--source", "build", "-o", "json")
    seconds(*fetch)
    times = {
        "fetch": [seconds(*fetch) for _ in range(runs)],
        "verify (reads everything)": [seconds("verify") for _ in range(runs)],
    }
    print(
        json.dumps(
            {
                name: {
                    "median": round(statistics.median(values), 2),
                    "worst": round(max(values), 2),
                }
                for name, values in times.items()
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
