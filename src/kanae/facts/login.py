"""The account that kanae logs in as, and its home: where a client's kubeconfig is put."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kanae.facts.frame import Answer

# What a home may be made of, as a bracket of sh and of Python reads it.
PLAIN = "A-Za-z0-9/._@+-"

# sudo names the account that called it, and sets HOME to root's. An odd home is told and not used:
# below /dev/null there is nothing.
SHELL = """\
section login
account=${{SUDO_USER:-$(id -un)}}
entry=
! have getent || entry=$(timeout -k 1 10 getent passwd -- "$account" 2>/dev/null)
if [ -z "$entry" ] && [ -r /etc/passwd ]; then
while IFS= read -r line; do
case $line in "$account":*) entry=$line ;; esac
done </etc/passwd
fi
entry=${{entry%%"$nl"*}}
entry=${{entry%:*}}
home=${{entry##*:}}
printf 'account %s\\nhome %s\\n' "$account" "$home"
case $home in
'' | [!/]* | *[!{plain}]*) home=/dev/null ;;
*) [ ! -d "$home" ] || echo folder yes ;;
esac
home=${{home%/}}
"""


@dataclass(frozen=True, slots=True)
class Login:
    """home: as the host has it, "" where it has none. usable: it is a folder, and its path is of
    plain characters only."""

    account: str
    home: str
    usable: bool

    def path(self, asked: str) -> str | None:
        """Where a path is that may begin with `~/`; None below a home that is not usable."""
        if not asked.startswith("~/"):
            return asked
        return f"{self.home.rstrip('/')}{asked.removeprefix('~')}" if self.usable else None


ROOT: Final = Login("root", "/root", usable=True)


def parse_login(answer: Answer) -> Login:
    words = (line.partition(" ") for line in answer.lines("login"))
    said = {name: value for name, _, value in words}
    home = said.get("home", "")
    plain = re.fullmatch(f"/[{PLAIN}]*", home) is not None
    return Login(said.get("account", ""), home, plain and said.get("folder") == "yes")
