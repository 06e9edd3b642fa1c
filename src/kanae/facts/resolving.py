"""What a host makes of names: asked as kubelet and kubectl do, and how the answer is read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from kanae.facts.frame import Answer

# Whole, or with the dot that ends it.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?")
# Seconds: resolv.conf(5) has a server 5 s by default, and another one then may answer.
PATIENCE = 10

# Programs of Go that are linked statically know no source of nsswitch.conf(5) but files and DNS.
SHELL = f"""\
if [ -n "$slow" ] && have getent; then
for name in {{names}}; do
found=$(timeout -k 1 {PATIENCE} getent -s 'hosts:files dns' -- ahosts "$name" 2>/dev/null)
printf 'N %s %s\\n%s\\n' "$?" "$name" "$found"
done >"$tmp/names" &
fi
"""
# Exit statuses of coreutils' timeout: the time was over, or the program had to be killed then.
_LATE = frozenset({"124", "137"})


def parse_names(answer: Answer, asked: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
    """Addresses by name, in the host's order; None of a name when no answer came in time. Without
    getent a host says nothing of any."""
    if "answer names" not in answer.sections:
        return {}
    found: dict[str, tuple[str, ...] | None] = {}
    here = ""
    for line in answer.decoded("answer names").decode(errors="replace").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "N" and words[2] in asked:
            here = words[2]
            found[here] = None if words[1] in _LATE else ()
        elif words and (so_far := found.get(here)) is not None:
            found[here] = tuple(dict.fromkeys((*so_far, _address(answer, words[0]))))
    return found


def _address(answer: Answer, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise answer.wrong(f"{text!r} is no address of a name") from None
