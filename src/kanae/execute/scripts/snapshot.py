"""A snapshot of etcd as a host prints it: two lines that say what it is, then its bytes."""

from __future__ import annotations

from typing import Final

from kanae.execute.scripts.programs import DIRECT

# First word of the first line.
OPENING: Final = "kanae-snapshot"


def printed() -> str:
    """Lines that print the snapshot in "$file": a line `kanae-snapshot SIZE SHA256`, a line of JSON
    as `etcdutl snapshot status` tells it, then the bytes. They end the script where one fails."""
    return f"""status=$(nice -n 10 {DIRECT} etcdutl snapshot status "$file" -w json)
size=$(stat -c %s "$file")
sum=$(nice -n 10 sha256sum <"$file")
printf '{OPENING} %s %s\\n%s\\n' "$size" "${{sum%% *}}" "$status"
cat "$file"
"""
