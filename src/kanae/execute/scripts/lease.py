"""The lease of a cluster on one host. See `kanae.execute.lease`."""

from __future__ import annotations

from collections.abc import Collection

from kanae.layout import paths as at
from kanae.resources.model import quote
from kanae.transport.fence import FENCED, FENCED_WORD

# A lease that was not renewed for this long belongs to a run that is gone; seconds of uptime.
STALE = 60
# Exit status when somebody else has it.
HELD = 3


def _head(file: str) -> str:
    return f"""set -eu; umask 077; mkdir -p {at.RUN}
exec 9>{file}.lock; flock 9
read -r now _ </proc/uptime; now=${{now%.*}}
holder= about= before= stamp=0
if [ -s {file} ]; then
  {{ read -r stamp; read -r holder; read -r about; read -r before || :; }} <{file}
fi
# By a program, since the shell itself would say of a full disk that it is an I/O error.
write() {{ printf '%s\\n' "$@" | cat >{file}.new && mv -f {file}.new {file}; }}
"""


def acquire(
    file: str, run: str, about: str, *, take: Collection[str], before: Collection[str]
) -> str:
    """Take it for this run. Status HELD with the holder's two lines, or 0 with the runs before
    this one of which something may still run.

    file: on the host, needs no quoting. about: who holds it, one line. take: runs whose lease may
    be taken though it is fresh. before: what is to be on record of earlier runs where this run has
    it already.
    """
    return f"""{_head(file)}
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


def renew(file: str, run: str, about: str, *, before: Collection[str]) -> str:
    """Renew what this run has taken. Status HELD with the two lines of whoever has had it since,
    also when that one let it lapse or gave it up: its cluster is no longer what this run knows.
    Where there is no file at all the host has booted, and it is taken anew.

    before: what is to be on record of earlier runs.
    """
    return f"""{_head(file)}
if [ -s {file} ] && [ "$holder" != {quote(run)} ]; then
  echo "$holder"; echo "$about"; exit {HELD}
fi
write "$now" {quote(run)} {quote(about)} {quote(" ".join(sorted(before)))}
"""


def release(file: str, run: str, about: str, before: Collection[str], *, well: bool) -> str:
    """Give it up where this run has it; the file stays, so that a run which was deposed sees that
    it was. well: nothing of this run, or of those before it, can still run on a host; else it
    stays on record, for whoever comes next."""
    runs = "" if well else " ".join(sorted({*before, run}))
    free = f'write 0 "" {quote(about)} {quote(runs)}'
    return f'{_head(file)}[ "$holder" != {quote(run)} ] || {free}'


def guard(file: str, run: str) -> str:
    """What goes before a script of this run: it ends as FENCED unless this run has the lease."""
    return (
        f'( {{ read -r _ && read -r holder; }} <{file} && [ "$holder" = {quote(run)} ] )'
        f" 2>/dev/null || {{ echo {FENCED_WORD} >&2; exit {FENCED}; }}\n"
    )
