"""The framing of a host's answer: sections of lines, each behind a delimiter line that no content
can forge, since it holds the time at which the host began.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from kanae.errors import FactsError
from kanae.shown import shown

_OPENING = "kanae-facts 1 "
# Text of a host's own making may hold any bytes; which ones is told by `shown`.
ENCODING = ("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Answer:
    """started, ended: the host's clock at both ends of its work, seconds since the epoch."""

    host: str
    started: float
    ended: float
    sections: Mapping[str, tuple[str, ...]]

    def lines(self, section: str) -> tuple[str, ...]:
        """Lines of a section, empty when the host did not print it."""
        return self.sections.get(section, ())

    def decoded(self, section: str) -> bytes:
        """Bytes of a section that is printed in base64."""
        try:
            return base64.b64decode("".join(self.lines(section)), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(f"section {section!r} is not base64") from None

    def wrong(self, what: str) -> FactsError:
        return wrong(self.host, what)


def wrong(host: str, what: str) -> FactsError:
    return FactsError(
        host,
        f"its answer to the script of facts cannot be read: {what}",
        remedy="run the command again; if it stays, see what the SSH login shell prints or cuts",
    )


_FRAME = """\
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
main() {{
began=$(date +%s.%N)
printf 'kanae-facts 1 %s\\n' "$began"
{body}printf '#%s end %s\\n' "$began" "$(date +%s.%N)"
}}
main </dev/null
"""


def framed(body: str) -> str:
    """A script whose answer `split` can cut: body prints sections under "$began"."""
    return _FRAME.format(body=body)


def split(host: str, output: bytes) -> Answer:
    """Cut an answer into sections. What a login shell prints before it is ignored."""
    lines = shown(output.decode(*ENCODING)).split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(_OPENING)), None)
    if start is None:
        raise wrong(host, "it does not begin as it should")
    clock = lines[start].removeprefix(_OPENING)
    delimiter = f"#{clock} "
    sections: dict[str, tuple[str, ...]] = {}
    name, begun = "", start + 1
    for number, line in enumerate(lines[start + 1 :], start + 1):
        if not line.startswith(delimiter):
            continue
        if name:
            sections[name] = tuple(lines[begun:number])
        name, begun = line.removeprefix(delimiter), number + 1
        if name.startswith("end "):
            ended = _clock(host, name.removeprefix("end "))
            return Answer(host, _clock(host, clock), ended, sections)
    raise wrong(host, f"it is cut short in section {name!r}")


def _clock(host: str, text: str) -> float:
    whole, _, fraction = text.partition(".")
    # busybox's date has no %N and prints it as it is, or nothing.
    digits = fraction if fraction.isascii() and fraction.isdigit() else "0"
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12):
        raise wrong(host, f"{text!r} is no time")
    return float(f"{whole}.{digits}")
