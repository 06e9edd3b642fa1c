"""Where kubeconfigs on a host lead: how it is asked, and how the answer is read.

Nothing else of them leaves the host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kanae.facts.frame import Answer

SHELL = """\
section servers
grep -s -H -m 1 '^ *server: ' -- {paths}
"""
_SERVER = re.compile(r"(/[^:]*): *server: (\S+)")


def parse_servers(answer: Answer, asked: Sequence[str]) -> dict[str, str]:
    """URL by path, of those that name one."""
    found: dict[str, str] = {}
    for line in answer.lines("servers"):
        match = _SERVER.fullmatch(line)
        if match and match[1] in asked:
            found[match[1]] = match[2].strip("\"'")
    return found
