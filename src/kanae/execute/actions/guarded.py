"""kubeadm on a host, so that it is never run twice at once and never cut off half-way.

The program runs in a session of its own and outlives the connection that started it; a lock file
says whether it still runs, a mark whether it succeeded. An operator who comes back (or another
run) waits for the lock and reads the mark instead of starting it again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from kanae.errors import step_failed
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.transport.protocol import Completed, Transport

# Exit statuses of the script beyond the program's own (sysexits.h's EX_TEMPFAIL).
BUSY = 75
# What the script says when the mark was there and nothing had to be run.
ALREADY = "already-done"


def script(
    name: str,
    command: str,
    *,
    mark: str,
    after: str = "",
    before: str = "",
    limit: float,
) -> str:
    """A script that reads kubeadm's configuration from stdin and runs `command` with it.

    command: sh text in which "$config" is the file. mark: of success; when it is there already
    nothing is run. after: lines that run on success, before the mark is set, whose content is what
    `after` leaves in "$mark.new". limit: seconds.
    """
    inner = "\n".join(
        [
            "config=$1 log=$2 mark=$3",
            f'timeout --kill-after=10 {limit:.0f} {command} >"$log" 2>&1',
            "status=$?",
            'rm -f "$config"',
            '[ "$status" -eq 0 ] || exit "$status"',
            "set -e",
            ': >"$mark.new"',
            after,
            'mv -f "$mark.new" "$mark"',
        ]
    )
    return f"""set -eu
umask 077
mkdir -p {at.RUN} {at.LOGS} {marks.FOLDER}
config={at.RUN}/{name}.yaml log={at.LOGS}/{name}.log mark={marks.path(mark)}
exec 9>{at.KUBEADM_LOCK}
flock -w {limit:.0f} 9 || {{ echo "another kubeadm still runs on this host" >&2; exit {BUSY}; }}
if [ -e "$mark" ]; then cat >/dev/null; echo {ALREADY}; exit 0; fi
cat >"$config"
{before}
status=0
env -u KANAE_RUN setsid --wait sh -c {shlex.quote(inner)} sh "$config" "$log" "$mark" \
</dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || {{ tail -n 25 "$log" >&2; exit "$status"; }}
"""


def raised(
    transport: Transport, done: Completed, command: str, remedies: Mapping[str, str], log: str
) -> None:
    """StepFailed unless it ended well. remedies: words of kubeadm's output -> what to do."""
    if done.status == 0:
        return
    fits = [remedy for words, remedy in remedies.items() if words in done.stderr]
    remedy = fits[0] if fits else f"read {at.LOGS}/{log}.log on the host, then apply again"
    raise step_failed(transport.host, command, done.status, done.stderr, remedy=remedy)


async def took_effect(transport: Transport, mark: str, limit: float) -> bool | None:
    """Wait for a program that may still run, then say whether it succeeded.

    None: it ended without success, and what it left has to be looked at first.
    """
    done = await transport.run(
        f"mkdir -p {at.RUN}; exec 9>{at.KUBEADM_LOCK}; flock -w {limit:.0f} 9 || exit {BUSY}; "
        f"[ -e {marks.path(mark)} ]",
        timeout=limit + 10,
    )
    return True if done.status == 0 else None
