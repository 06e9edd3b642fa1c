"""kubeadm in a session of its own, under a lock that says whether it still runs and a mark that
says whether it succeeded. See `kanae.execute.actions.guarded` for what is made of the outcome."""

from __future__ import annotations

import shlex

from kanae.layout import marks, proxies, units
from kanae.layout import paths as at

# Exit statuses of the script beyond the program's own (sysexits.h's EX_TEMPFAIL).
BUSY = 75
# That of coreutils' timeout.
TIMED_OUT = 124
# Seconds until the end that `deadline` has set.
LEFT = "read -r now _ </proc/uptime; echo $((end - ${now%.*}))"
# What the script says when the mark was there and nothing had to be run.
ALREADY = "already-done"
# Where kubeadm only waited, the reason is in what it waited for: errors of kubelet's (E) and
# containerd's log, without their times, each once.
_SERVICES = (
    "if grep -qE 'deadline exceeded|timed out|not healthy' \"$log\"; then "
    f"journalctl -q --no-pager -o cat -n 500 -u {units.CONTAINERD} -u {units.KUBELET} 2>/dev/null "
    "| sed -nE 's/^E[0-9]{4} [^]]*\\] *//p; s/^.*level=(error|fatal) msg=//p' "
    "| sort -u | tail -n 5 | cut -c 1-400 >&2; fi;"
)


def run(
    name: str,
    command: str,
    *,
    mark: str,
    holds: str = "",
    after: str = "",
    before: str = "",
    limit: float,
) -> str:
    """A script that reads kubeadm's configuration from stdin and runs `command` with it.

    command: sh text in which "$config" is the file. mark: of success; when it is there already (and
    holds the text `holds`, where one is given)
    nothing is run. after: lines that run on success, before the mark is set, whose content is what
    `after` leaves in "$mark.new". limit: seconds, for its turn and for the program together.
    """
    words = name.replace("-", " ")
    inner = "\n".join(
        [
            proxies.UNSET,
            "config=$1 log=$2 mark=$3 limit=$4",
            f'timeout --kill-after=10 "$limit" {command} >"$log" 2>&1',
            "status=$?",
            'rm -f "$config"',
            f'[ "$status" -ne {TIMED_OUT} ] ||',
            f'  echo "{words} did not end within $limit s and was ended" >>"$log"',
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
{deadline(limit)}
{locked(limit)}
if {_set(mark, holds)}; then cat >/dev/null; echo {ALREADY}; exit 0; fi
cat >"$config"
{before}
status=0 limit=$({LEFT})
[ "$limit" -gt 0 ] || limit=1
env -u KANAE_RUN setsid --wait sh -c {shlex.quote(inner)} sh "$config" "$log" "$mark" "$limit" \
</dev/null >/dev/null 2>&1 || status=$?
[ "$status" -eq 0 ] || {{ tail -n 25 "$log" >&2; {_SERVICES} exit "$status"; }}
"""


def deadline(limit: float) -> str:
    """A line after which LEFT tells how many seconds are left. By a clock that nobody sets."""
    return f"read -r now _ </proc/uptime; end=$((${{now%.*}} + {_seconds(limit)}))"


def locked(limit: float) -> str:
    """A line after which no other kubeadm of ours runs on the host. limit: seconds to wait."""
    return (
        f"mkdir -p {at.RUN}; exec 9>{at.KUBEADM_LOCK}; flock -w {_seconds(limit)} 9 || "
        f'{{ echo "another kubeadm still runs on this host" >&2; exit {BUSY}; }}'
    )


def _seconds(limit: float) -> int:
    """Whole ones, and never 0, which `timeout` takes for no limit."""
    return max(1, int(limit))


def succeeded(mark: str, limit: float, holds: str = "") -> str:
    """Wait for a program that may still run, then say by the exit status whether it succeeded.

    limit: seconds, after which the status is BUSY. holds: as of `run`.
    """
    return f"{locked(limit)}; {_set(mark, holds)}"


def _set(mark: str, holds: str) -> str:
    path = marks.path(mark)
    return f'[ "$(cat {path} 2>/dev/null)" = {shlex.quote(holds)} ]' if holds else f"[ -e {path} ]"
