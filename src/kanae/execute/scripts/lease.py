"""The lease of a cluster on one host. See `kanae.execute.lease`."""

from __future__ import annotations

from collections.abc import Collection

from kanae.layout import paths as at
from kanae.resources.model import quote

# A lease that was not renewed for this long belongs to a run that is gone; seconds of uptime.
STALE = 60
# Exit status when somebody else has it.
HELD = 3
_FILE = at.LEASE
_HEAD = f"""set -eu; umask 077; mkdir -p {at.RUN}
exec 9>{_FILE}.lock; flock 9
read -r now _ </proc/uptime; now=${{now%.*}}
holder= about= before= stamp=0
if [ -s {_FILE} ]; then
  {{ read -r stamp; read -r holder; read -r about; read -r before || :; }} <{_FILE}
fi
# By a program, since the shell itself would say of a full disk that it is an I/O error.
write() {{ printf '%s\\n' "$@" | cat >{_FILE}.new && mv -f {_FILE}.new {_FILE}; }}
"""


def acquire(run: str, about: str, *, take: Collection[str], before: Collection[str]) -> str:
    """Take or renew it for this run. Status HELD with the holder's two lines, or 0 with the runs
    before this one of which something may still run.

    about: who holds it, one line. take: runs whose lease may be taken though it is fresh. before:
    what is to be on record of earlier runs from a renewal on.
    """
    return f"""{_HEAD}
if [ -n "$holder" ] && [ "$holder" != {quote(run)} ] && [ $((now - stamp)) -lt {STALE} ]; then
  case {quote(f" {' '.join(sorted(take))} ")} in
  *" $holder "*) ;;
  *) echo "$holder"; echo "$about"; exit {HELD} ;;
  esac
fi
if [ "$holder" = {quote(run)} ]; then before={quote(" ".join(sorted(before)))}
else before="$before $holder"; fi
write "$now" {quote(run)} {quote(about)} "$before"
echo "$before"
"""


def release(run: str, before: Collection[str], *, well: bool) -> str:
    """Give it up where this run has it. well: nothing of this run, or of those before it, can
    still run on a host; else it stays on record, for whoever comes next."""
    runs = " ".join(sorted({*before, run}))
    free = f"rm -f {_FILE}" if well else f'write 0 "" "" {quote(runs)}'
    return f'{_HEAD}[ "$holder" != {quote(run)} ] || {free}'
