"""etcd's snapshot on a host with a member, and backups that lie on a host."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.execute.scripts.programs import ETCDCTL_PATIENT
from kanae.execute.scripts.snapshot import printed
from kanae.layout import paths as at
from kanae.layout import ports
from kanae.resources.model import quote

# Exit status when another backup is being made on the host (sysexits.h's EX_TEMPFAIL).
BUSY = 75
_SNAPSHOT = f"{at.SNAPSHOTS}/taken"


def snapshot(limit: float) -> str:
    """Take a snapshot of the member on the host and print it, see `snapshot.printed`.

    Nothing of it stays on the host: what a run left that was killed, the next one removes, under a
    lock that only a process holds which lives. limit: seconds for etcd to give it.
    """
    return f"""{alone()}
trap 'rm -rf {_SNAPSHOT}' EXIT
trap 'exit 1' HUP INT TERM
rm -rf {_SNAPSHOT}; mkdir -p {_SNAPSHOT}
file={_SNAPSHOT}/snapshot.db
nice -n 10 {_etcdctl(limit)} snapshot save "$file" >/dev/null 2>{_SNAPSHOT}/log || \
{{ tail -n 20 {_SNAPSHOT}/log >&2; exit 1; }}
{printed()}"""


def _etcdctl(limit: float) -> str:
    endpoint = f"--endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"
    return f"{ETCDCTL_PATIENT} --command-timeout={int(limit)}s {endpoint}"


def alone() -> str:
    """Lines after which no other backup is made on the host."""
    return (
        f"set -eu; umask 077; mkdir -p {at.RUN} {at.SNAPSHOTS}\n"
        f"exec 9>{at.BACKUP_LOCK}; flock -w 30 9 || "
        f'{{ echo "another backup is being made on this host" >&2; exit {BUSY}; }}'
    )


def read(paths: Sequence[str]) -> str:
    """Print files, those that there are: for each a line `MODE SIZE PATH`, then its bytes."""
    return f"""set -eu
for file in {quote(*paths)}; do
  [ -f "$file" ] || continue
  stat -L -c '%a %s %n' -- "$file"
  cat -- "$file"
done
"""


def listed(folder: str) -> str:
    """Names and sizes of the plain files in a folder: a line `SIZE NAME` each, nothing where there
    is no such folder."""
    return (
        f"cd {quote(folder)} 2>/dev/null || {{ [ ! -e {quote(folder)} ] && exit 0; "
        f"cd {quote(folder)}; }}\n"
        "for file in *.tar *.tar.age; do\n"
        '  [ -f "$file" ] && [ ! -L "$file" ] || continue\n'
        "  stat -c '%s %n' -- \"$file\"\n"
        "done\n"
    )


def folder(path: str) -> str:
    """Make a folder for backups, its owner's alone; one that is there stays as it is."""
    return f"[ -d {quote(path)} ] || {{ umask 077; mkdir -p {quote(path)}; }}"


def sha256(file: str) -> str:
    return f"sync -- {quote(file)} && sha256sum <{quote(file)}"


def send(file: str) -> str:
    """Print a file: a line with its size, then its bytes."""
    return f"set -eu; stat -c %s -- {quote(file)}; cat -- {quote(file)}"


def remove(file: str) -> str:
    return f"rm -f -- {quote(file)}"
