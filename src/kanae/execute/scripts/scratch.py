"""A member of etcd for some minutes beside the living one: on loopback, alone, of its own folder.

It is a transient unit, which systemd ends when nobody has done so, with the certificates of the
host's own member: only whoever may read from that one may read from it.
"""

from __future__ import annotations

from typing import Final

from kanae.execute.scripts.programs import DIRECT, ETCDCTL_PATIENT
from kanae.execute.scripts.snapshot import printed
from kanae.layout import paths as at
from kanae.layout import ports, units
from kanae.resources.model import quote

DATA: Final = f"{at.SCRATCH}/data"
SNAPSHOT: Final = f"{at.SCRATCH}/snapshot.db"
PROGRAM: Final = f"{at.SCRATCH}/etcd"
# Seconds after which it is ended in any case.
_MOST: Final = 1800
_URL: Final = f"https://127.0.0.1:{ports.ETCD_SCRATCH}"
_PEER_URL: Final = f"https://127.0.0.1:{ports.ETCD_SCRATCH_PEER}"
ETCDCTL: Final = f"{ETCDCTL_PATIENT} --endpoints {_URL}"
_LIVING: Final = f"{ETCDCTL_PATIENT} --endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"
_QUOTA: Final = 8 * 2**30
# Restored data is not compared with anything that was seen, so any will do.
_BUMP: Final = 1_000_000_000


def prepare() -> str:
    """An empty folder; the status is 3 where the host has no etcd of its own to run."""
    return f"""set -eu; umask 077
{stop()}
mkdir -p {at.SCRATCH}
[ -x {at.BIN}/etcd ] || exit 3"""


def stop() -> str:
    """Nothing of it is left."""
    return f"systemctl stop {units.ETCD_SCRATCH} 2>/dev/null || :; rm -rf -- {at.SCRATCH}"


def copy(data: str) -> str:
    """What a member has, which has no quorum and so writes nothing but its elections."""
    return f"set -eu; umask 077; mkdir -p {DATA}; cp -a -- {quote(data)}/member {DATA}/member"


def restore(name: str) -> str:
    return f"""set -eu; umask 077
etcdutl snapshot restore {SNAPSHOT} --data-dir {DATA} --name {quote(name)} \
--initial-cluster {quote(f"{name}={_PEER_URL}")} --initial-advertise-peer-urls {_PEER_URL} \
--initial-cluster-token kanae-scratch --bump-revision {_BUMP} --mark-compacted >/dev/null"""


def start(name: str, *, own: bool, alone: bool) -> str:
    """own: the host has an etcd to run. alone: make it the only member of what its data says."""
    program = f"{at.BIN}/etcd" if own else PROGRAM
    forced = " --force-new-cluster" if alone else ""
    tls = "".join(
        f" --{kind}cert-file {certificate} --{kind}key-file {at.key(certificate)}"
        f" --{kind}client-cert-auth --{kind}trusted-ca-file {at.ETCD_CA}"
        for kind, certificate in (("", at.ETCD_SERVER), ("peer-", at.ETCD_PEER))
    )
    return f"""set -eu
systemd-run --quiet --collect --unit {units.ETCD_SCRATCH} --property RuntimeMaxSec={_MOST} \
--property Nice=10 {program} --data-dir {DATA} --name {quote(name)}{forced} \
--listen-client-urls {_URL} --advertise-client-urls {_URL} \
--listen-peer-urls {_PEER_URL} --initial-advertise-peer-urls {_PEER_URL} \
--initial-cluster {quote(f"{name}={_PEER_URL}")} --quota-backend-bytes {_QUOTA} \
--log-level error{tls}"""


def healthy() -> str:
    return f"{ETCDCTL} --command-timeout=3s endpoint health 2>&1"


def take() -> str:
    """Print its snapshot, see `snapshot.printed`."""
    return f"""set -eu; umask 077
file={SNAPSHOT}
{ETCDCTL} --command-timeout=30m snapshot save "$file" >/dev/null 2>&1
{printed()}"""


def hash_of_file(revision: int) -> str:
    """As JSON."""
    return f"{DIRECT} etcdutl hashkv {SNAPSHOT} --rev {revision} -w json"


def hash_of_living(revision: int) -> str:
    """As JSON, of the member of this host."""
    return f"{_LIVING} --command-timeout=30s endpoint hashkv --rev {revision} -w json"


def keys() -> str:
    """A line for each kind of key: how many there are, and how they begin."""
    return (
        f"{ETCDCTL} --command-timeout=60s get / --prefix --keys-only"
        ' | awk -F/ \'NF > 2 { n["/" $2 "/" $3]++ } END { for (k in n) print n[k], k }\''
    )


def value(key: str) -> str:
    """What is stored at a key, as it is."""
    return f"{ETCDCTL} --command-timeout=10s get {quote(key)} --print-value-only"


def first_secret() -> str:
    """What is stored of one Secret: its key on a line, then its value as it is."""
    return f"{ETCDCTL} --command-timeout=10s get /registry/secrets/ --prefix --limit 1"


def old_watch() -> str:
    """What a watch from a revision is told that was before the restore."""
    return f"timeout 10 {ETCDCTL} watch --rev 2 /registry/namespaces/default 2>&1 || :"
