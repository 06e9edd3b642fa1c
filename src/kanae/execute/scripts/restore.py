"""Restoring etcd's data on a host. Every script may run again after it was cut off half-way.

By which attempt data was restored stands in a file among it (see `kanae.plan.attempt`): it changes
its place together with the data, so every script knows what has been done, whatever was cut off.
"""

from __future__ import annotations

from typing import Final

from kanae.execute.scripts import guarded
from kanae.execute.scripts.programs import ETCDCTL, KUBECTL
from kanae.layout import marks, ports, units
from kanae.layout import paths as at
from kanae.plan.actions import (
    AwaitSameData,
    DiscardReplaced,
    EndRestore,
    Fence,
    ReplaceData,
    RestartAgents,
    RestoreSnapshot,
    SaveSnapshot,
    Unfence,
)
from kanae.plan.attempt import aside, beside, seal
from kanae.plan.etcd import OF_RESTORES
from kanae.resources.model import quote

# Exit statuses of `looked` beside 0, which says that nothing is left to do.
LACKS_SNAPSHOT: Final = 3
LACKS_DATA: Final = 4
# Seconds that containers get to end. An API server would take its shutdown delay, in which clients
# find another one (render/api_server.py), and then wait for requests: there is no other one, and
# what it still writes is lost with the data that it is written to. etcd's data is whole without an
# orderly end, as after a power cut. Agents begin anew at any rate.
_GRACE: Final = 1


def save(action: SaveSnapshot) -> str:
    """Of the member on this host, whether or not there is a quorum. The file appears when it is
    complete."""
    path, part = quote(action.path), quote(f"{action.path}.part")
    there = "" if action.anew else f"[ ! -e {path} ] || exit 0\n"
    return f"""set -eu; umask 077
{there}mkdir -p {at.RESTORES}
rm -f {part}
{ETCDCTL} --command-timeout=1h --endpoints https://127.0.0.1:{ports.ETCD_CLIENT} \
snapshot save {part} >/dev/null
sync -- {part}
mv -fT -- {part} {path}"""


# Kinds whose objects people make. Of others, controllers make them anew.
_KINDS: Final = (
    "namespaces,nodes,customresourcedefinitions,persistentvolumes,persistentvolumeclaims,"
    "deployments,statefulsets,daemonsets,jobs,cronjobs,services,ingresses,configmaps,secrets"
)


def objects() -> str:
    """A line for each object of the usual kinds: when it was made, and which it is."""
    each = (
        "{range .items[*]}{.metadata.creationTimestamp} {.kind} {.metadata.namespace}/"
        '{.metadata.name}{"\\n"}{end}'
    )
    return f"{KUBECTL} --request-timeout=15s get {_KINDS} -A -o jsonpath={quote(each)}"


def looked(action: RestoreSnapshot) -> str:
    """What is left to do, by the exit status."""
    sealed = quote(seal(action.data), seal(beside(action.data, action.attempt)))
    return f"""for sealed in {sealed}; do
  [ "$(cat "$sealed" 2>/dev/null)" != {action.attempt} ] || exit 0
done
{_is_the_snapshot(action)} && exit {LACKS_DATA}
exit {LACKS_SNAPSHOT}"""


def restore(action: RestoreSnapshot) -> str:
    """Owner and mode of the folder are those that it has, or etcd's own."""
    new = quote(beside(action.data, action.attempt))
    part = quote(f"{beside(action.data, action.attempt)}.part")
    data = quote(action.data)
    return f"""set -eu; umask 077
{_is_the_snapshot(action)} || {{
  echo "{action.path} is not the backup's snapshot: its sha256 is another one" >&2; exit 1; }}
mkdir -p {data}
rm -rf -- {new} {part}
etcdutl snapshot restore {quote(action.path)} --data-dir {part} --name {quote(action.name)} \
--initial-cluster {quote(action.members)} --initial-advertise-peer-urls {quote(action.peer)} \
--initial-cluster-token kanae-{action.attempt} --bump-revision {action.bump} --mark-compacted \
>/dev/null
echo {action.attempt} >{part}/member/kanae-attempt
chown -R --reference={data} -- {part}
sync -f -- {part}
mv -T -- {part} {new}"""


def _is_the_snapshot(action: RestoreSnapshot) -> str:
    said = quote(f"{action.sha256}  {action.path}")
    return f"printf '%s\\n' {said} | sha256sum --check --status 2>/dev/null"


def fence(action: Fence, limit: float) -> str:
    """The mark first: from now on no plan is made of what is here. kubelet before its static pods,
    which it would start again. limit: seconds for its turn."""
    mark = marks.path(marks.RESTORING)
    lines = [
        "set -eu; umask 077",
        guarded.deadline(limit),
        guarded.locked(limit),
        f"mkdir -p {marks.FOLDER}",
        f"printf '%s\\n' {quote(action.record)} >{mark}.new",
        f"sync -- {mark}.new; mv -fT {mark}.new {mark}",
    ]
    if action.pods:
        pods = quote(*action.pods)
        lines += [
            f"systemctl stop {units.KUBELET}",
            f"mkdir -p {at.FENCED}",
            f"for pod in {pods}; do",
            f"  [ ! -e {at.MANIFESTS}/$pod.yaml ] || "
            f"mv -fT {at.MANIFESTS}/$pod.yaml {at.FENCED}/$pod.yaml",
            "done",
            f"sync {at.FENCED} {at.MANIFESTS}",
            f"systemctl start {units.CONTAINERD}",
            f"for pod in {pods}; do",
            '  until ids=$(crictl ps -q --state running --name "^$pod$" 2>/dev/null) && '
            '[ -z "$ids" ]; do',
            f'    [ "$({guarded.LEFT})" -gt 0 ] || {{',
            '      echo "$pod does not end, or crictl does not tell:" >&2',
            "      crictl ps >&2; exit 1; }",
            f'    {{ [ -n "$ids" ] && crictl stop --timeout {_GRACE} $ids >/dev/null 2>&1; }} || '
            "sleep 0.3",
            "  done",
            "done",
        ]
    if action.etcd:
        lines += [
            f"systemctl disable -q --now {units.ETCD}",
            f"! systemctl is-active -q {units.ETCD} || "
            f'{{ echo "{units.ETCD} still runs" >&2; exit 1; }}',
        ]
    return "\n".join(lines)


def replace(action: ReplaceData) -> str:
    """What was there is put aside before the restored data comes, so a folder of this attempt's
    name is never one of another time."""
    new, old = beside(action.data, action.attempt), aside(action.data, action.attempt)
    member = quote(f"{action.data}/member")
    return f"""set -eu; umask 077
[ "$(cat {quote(seal(action.data))} 2>/dev/null)" != {action.attempt} ] || exit 0
[ "$(cat {quote(seal(new))} 2>/dev/null)" = {action.attempt} ] || {{
  echo "{new} is not there: the restored data has not been made ready" >&2; exit 1; }}
if systemctl is-active -q {units.ETCD} ||
  [ -n "$(crictl ps -q --state running --name '^etcd$' 2>/dev/null)" ]
then
  echo "etcd runs here again: its data is not replaced" >&2; exit 1
fi
if [ -e {member} ]; then
  [ ! -e {quote(old)}/member ] || {{
    echo "{old} is there already, and etcd has got other data since" >&2; exit 1; }}
  mkdir -p {quote(old)}
  mv -T -- {member} {quote(old)}/member
fi
mv -T -- {quote(new)}/member {member}
rmdir -- {quote(new)}
sync -f -- {quote(action.data)}"""


def unfence(action: Unfence) -> str:
    """etcd's unit is ready when there is a quorum: each would wait for the others."""
    lines = ["set -eu"]
    if action.pods:
        lines += [
            f"for pod in {quote(*action.pods)}; do",
            f"  [ ! -e {at.FENCED}/$pod.yaml ] || "
            f"mv -fT {at.FENCED}/$pod.yaml {at.MANIFESTS}/$pod.yaml",
            "done",
            f"sync {at.MANIFESTS}",
            f"systemctl start {units.KUBELET}",
        ]
    if action.etcd:
        lines += [
            f"systemctl enable -q {units.ETCD}",
            f"systemctl start --no-block {units.ETCD}",
        ]
    return "\n".join(lines)


def hashes(action: AwaitSameData) -> str:
    """Of all members, as JSON."""
    return f"{ETCDCTL} --endpoints {quote(','.join(action.endpoints))} -w json endpoint hashkv"


def restart_agents(action: RestartAgents, limit: float) -> str:
    """kubelet starts a container again that has ended. limit: seconds, for all of it."""
    return f"""{guarded.deadline(limit)}
systemctl restart {units.KUBELET} || exit
for name in {quote(*action.containers)}; do
  old=$(crictl ps -q --state running --name "^$name$" | sort) || exit
  [ -n "$old" ] || continue
  crictl stop --timeout {_GRACE} $old >/dev/null || exit
  while new=$(crictl ps -q --state running --name "^$name$" | sort)
    [ -z "$new" ] || [ "$new" = "$old" ]
  do
    [ "$({guarded.LEFT})" -gt 0 ] || {{ echo "$name does not start again" >&2; exit 1; }}
    sleep 0.3
  done
done"""


def end(action: EndRestore) -> str:
    gone = f"rm -f -- {quote(action.snapshot)}\n" if action.snapshot else ""
    begun, ended = marks.path(marks.RESTORING), marks.path(marks.RESTORED)
    return f"set -eu\n{gone}[ ! -e {begun} ] || mv -fT {begun} {ended}\nsync {marks.FOLDER}"


def discard(action: DiscardReplaced) -> str:
    """Folders have the names that `kanae.plan.attempt` gives them."""
    kept = " ".join(f"{quote(action.data)}/{begin}*" for begin in OF_RESTORES)
    return f"rm -rf --one-file-system -- {at.RESTORES} {kept}"
