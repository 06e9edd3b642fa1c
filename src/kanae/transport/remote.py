"""What is sent to a host for one run: the command line and the framing of its input.

The login shell reads the command line, and it may be anything (fish, csh): so it is one `exec` of
plain words and one single-quoted string without quotes, backslashes, `!` or line ends, which all
of them read alike. The script itself goes over standard input ahead of the data: no limit of
128 kB an argument, and nothing of it in the process list.

The first line on standard output and on standard error is a mark: what a talkative shell start-up
file printed before it is dropped, and its absence tells that the script never started.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kanae.transport.protocol import Completed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# `timeout` sends SIGTERM when time is up and SIGKILL this many seconds later.
KILL_AFTER = 5
# Environment variable by which all processes of a run are found again on the host.
MARK = "KANAE_RUN"
# GNU timeout's own exit status, and that of a process it had to kill.
_TIMED_OUT = frozenset({124, 128 + 9, 128 + 15})
_SAFE = re.compile(r"[A-Za-z0-9./-]+")


@dataclass(frozen=True, slots=True)
class Run:
    """One script on its way to one host.

    mark: unique, of letters, digits, `.`, `/`, `-`. seconds: after which the host itself ends it.
    sudo: words put before the command, "" for none. password: for `sudo -S`, or None.
    """

    mark: str
    script: str
    seconds: float
    sudo: str = ""
    password: str | None = None

    def __post_init__(self) -> None:
        if not _SAFE.fullmatch(self.mark):
            raise ValueError(f"mark {self.mark!r} would need quoting")

    @property
    def _script(self) -> bytes:
        # $( ) drops line ends at the end; without them lengths can be compared.
        return self.script.rstrip("\n").encode()

    @property
    def command(self) -> str:
        """The command line for the login shell."""
        return f"exec {self.sudo}{self.program} sh -c '{self.boot}'"

    @property
    def program(self) -> str:
        return (
            f"env LC_ALL=C PATH={PATH} {MARK}={self.mark} "
            f"timeout --kill-after={KILL_AFTER} {max(1, math.ceil(self.seconds))}"
        )

    @property
    def boot(self) -> str:
        """Reads the script from standard input and becomes it. dd reads exactly count bytes, where
        `head -c` of some implementations reads ahead into the data. A script that arrives cut
        short (a connection lost on the way) must not run in part."""
        size = len(self._script)
        # sudo does not read the password where sudoers asks for none; it must not run as script.
        skip = (
            f'while IFS= read -r l; do test "$l" = {self.mark} && break; done; '
            if self.password is not None
            else ""
        )
        return (
            f"{skip}echo {self.mark}; echo {self.mark} >&2; "
            f"s=$(dd bs=64k count={size} iflag=fullblock,count_bytes status=none); "
            f'test ${{#s}} = {size} || exit 125; eval "$s"'
        )

    @property
    def preamble(self) -> bytes:
        """What goes over standard input ahead of the data."""
        if self.password is None:
            return self._script
        return f"{self.password}\n{self.mark}\n".encode() + self._script

    def started(self, stdout: bytes) -> bool:
        return self.mark.encode() in stdout

    def completed(self, status: int, stdout: bytes, stderr: bytes) -> Completed:
        """What a started script gave, with the marks taken off."""
        line = self.mark.encode() + b"\n"
        noise, marked, errors = stderr.partition(line)
        text = (errors if marked else noise).decode(errors="replace")
        return Completed(status, stdout.partition(line)[2], text)

    def timed_out(self, status: int, elapsed: float) -> bool:
        """Whether the host ended it, as opposed to a script's own status of 124, 137 or 143."""
        return status in _TIMED_OUT and elapsed >= max(1, math.ceil(self.seconds))


def end_script(mark: str, grace: float) -> str:
    """A script that waits up to `grace` seconds for the processes of a run to end by themselves,
    then sends SIGTERM, and SIGKILL after KILL_AFTER seconds more. Prints how many it had to end.

    mark: a whole mark, or a prefix that ends with `/` for all runs below it. Processes are found
    by their environment, so also those that left the process group; a script that leaves a
    process behind on purpose starts it with `env -u KANAE_RUN` or by systemd-run.
    """
    if not _SAFE.fullmatch(mark):
        raise ValueError(f"mark {mark!r} would need quoting")
    return f"""
found() {{
  grep -lsaE '(^|[^A-Za-z_]){MARK}={re.escape(mark)}' /proc/[0-9]*/environ | cut -d/ -f3
}}
until_none() {{
  tries=$1
  while pids=$(found) && test -n "$pids"; do
    test "$tries" -gt 0 || return 1
    tries=$((tries - 1))
    sleep 0.1
  done
  return 0
}}
until_none {max(0, math.ceil(grace * 10))} && exit 0
echo "$pids" | wc -w
kill -TERM $pids 2>/dev/null
until_none {KILL_AFTER * 10} && exit 0
kill -KILL $pids 2>/dev/null
until_none 20
"""
