"""Backups that hosts make by themselves: a script, what starts it and when.

The file that it writes is that of `kanae.backup.archive`, made with tar and sha256sum: hosts have
no part of kanae.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import kanae
from kanae.layout import paths as at
from kanae.layout import ports
from kanae.render.banner import banner
from kanae.spec.backup import BackupSchedule, Keep
from kanae.spec.duration import age
from kanae.spec.models import Spec

# Which host made the last scheduled backup, and in which period; beside the keys of Kubernetes.
KEY: Final = "kanae/backup"
# Seconds between a host's turn and that of the next one, who acts when it did not.
STEP: Final = 300
_HOUR: Final = 3600


def script(spec: Spec, host: str, files: Mapping[str, str], objects: Sequence[str]) -> str:
    """files: path on the host -> name in the backup. objects: ConfigMaps of kube-system.

    In each period the hosts take turns, beginning with another one each time, STEP apart: whoever's
    turn it is makes the backup, and says so in etcd; those behind him look there, and act when he
    did not. All of them count periods from 1970 in UTC, so none has to remember anything.
    """
    schedule, keep = spec.backup.schedule, spec.backup.keep
    if schedule is None:
        raise ValueError("there is no schedule")
    hosts = spec.etcd_hosts
    return _SCRIPT.format(
        banner=banner(),
        cluster=spec.name,
        kubernetes=spec.version,
        topology=spec.etcd_topology.value,
        kanae=kanae.__version__,
        host=host,
        folder=schedule.folder,
        period=schedule.every.hours * _HOUR,
        step=STEP,
        hosts=len(hosts),
        index=hosts.index(host),
        key=KEY,
        etcdctl=_ETCDCTL,
        kubectl=f"{_DIRECT} kubectl --kubeconfig {at.ADMIN_CONF} --cache-dir {at.KUBECTL_CACHE}",
        run=at.RUN,
        lock=at.BACKUP_LOCK,
        identity=f"{at.STATE}/marks/identity",
        files="\n".join(f"{path} {name}" for path, name in files.items()),
        objects=" ".join(objects),
        prune=_prune(keep),
    )


# Clusters are reached directly, whatever proxy the host's environment names.
_DIRECT: Final = "env NO_PROXY=* no_proxy=*"
_ETCDCTL: Final = (
    f"{_DIRECT} etcdctl --cacert {at.ETCD_CA} --cert {at.ETCD_PROBE} --key {at.key(at.ETCD_PROBE)} "
    f"--endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"
)


def _prune(keep: Keep) -> str:
    """Lines that say of "$1", the oldest of at least two backups, whether it is superfluous."""
    lines: list[str] = []
    if keep.count is not None:
        lines.append(f"    [ $# -le {keep.count} ] || return 0")
    if keep.age is not None:
        seconds = int(age(keep.age).total_seconds())
        lines += [
            f'    limit=$(date -u -d "@$((now - {seconds}))" +%Y%m%d%H%M%S)',
            '    taken=${1#"$cluster"-}; taken=${taken%%Z*}',
            '    [ "${taken%T*}${taken#*T}" -ge "$limit" ] || return 0',
        ]
    return "\n".join(lines)


def service(spec: Spec) -> str:
    return f"""{banner()}[Unit]
Description=backs up the cluster {spec.name} when it is this host's turn
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/bin/sh {at.BACKUP_SCRIPT}
TimeoutStartSec=1h
Nice=10
UMask=0077
"""


def timer(spec: Spec, schedule: BackupSchedule) -> str:
    """At every turn of every host: whose it is, the script knows."""
    hours = ",".join(f"{hour:02}" for hour in range(0, 24, schedule.every.hours))
    turns = "\n".join(
        f"OnCalendar=*-*-* {hours}:{turn * STEP // 60:02}:00 UTC"
        for turn in range(len(spec.etcd_hosts))
    )
    return f"""{banner()}[Unit]
Description=when the cluster {spec.name} is backed up

[Timer]
{turns}
AccuracySec=10s

[Install]
WantedBy=timers.target
"""


# Doubled braces stand for single ones.
_SCRIPT: Final = """#!/bin/sh
{banner}# Makes a backup of the cluster when it is this host's turn; given the word `now`, at once.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cluster={cluster} folder={folder}

fail() {{ echo "$*" >&2; exit 1; }}
etcd() {{ {etcdctl} "$@"; }}
sum() {{ sha256sum | cut -c 1-64; }}

now=$(date +%s)
period=$((now / {period}))
if [ "${{1:-}}" != now ]; then
    turn=$((({index} + {hosts} - period % {hosts}) % {hosts}))
    [ $((now % {period} / {step})) = "$turn" ] || exit 0
    last=$(etcd get {key} --print-value-only)
    case $last in
    "$period "*) echo "made by another host: ${{last#* }}"; exit 0 ;;
    esac
fi

mkdir -p {run} "$folder"
exec 9>{lock}
flock -w 900 9 || fail 'another backup is being made on this host'
work=$folder/.making
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$work"
tree=$work/tree snapshot=$work/tree/etcd/snapshot.db
for each in etcd pki/etcd kubeadm marks encryption; do mkdir -p "$tree/$each"; done

status=$(etcd endpoint status -w json)
size=$(echo "$status" | sed -n 's/.*"dbSize":\\([0-9]*\\).*/\\1/p')
version=$(echo "$status" | sed -n 's/.*"version":"\\([^"]*\\)".*/\\1/p')
members=$(etcd member list -w json | grep -o '"name":"[^"]*"' | cut -d : -f 2 | tr '\\n' ',')
[ -n "$size" ] && [ -n "$version" ] && [ -n "$members" ] || fail 'etcd does not say how it is'
free=$(df -Pk "$folder" | awk 'END {{ print int($4 - $2 / 10) }}')
[ "$free" -gt $((size / 512)) ] || fail "$folder has no room for a backup"

taken=$(date -u -d "@$now" +%Y-%m-%dT%H:%M:%SZ)
etcd --command-timeout=15m snapshot save "$snapshot" >/dev/null 2>"$work/log" ||
    fail "etcd gives no snapshot: $(tail -n 5 "$work/log")"
status=$(etcdutl snapshot status "$snapshot" -w json)
told() {{ echo "$status" | sed -n "s/.*\\"$1\\":\\([0-9][0-9]*\\).*/\\1/p"; }}
digest=$(sum <"$snapshot")
# etcd's own, at the end of its file.
own=$(tail -c 32 "$snapshot" | od -An -v -tx1 | tr -d ' \\n')
[ "$(head -c -32 "$snapshot" | sum)" = "$own" ] || fail 'the snapshot is not what etcd has sent'

names=''
while read -r path name; do
    if [ -f "$path" ]; then
        cat "$path" >"$tree/$name"
        names="$names $name"
    else
        case $name in marks/*) ;; *) fail "there is no $path" ;; esac
    fi
done <<'END'
{files}
END
for object in {objects}; do
    if {kubectl} -n kube-system get configmap "$object" -o yaml >"$tree/kubeadm/$object.yaml" \\
        2>/dev/null; then names="$names kubeadm/$object.yaml"; fi
done

identity=$(cat {identity})
{{
    printf '{{"format": 1, "cluster": "%s", "identity": "%s", "taken": "%s",\\n' \\
        "$cluster" "$identity" "$taken"
    printf '"kanae": "{kanae}", "kubernetes": "{kubernetes}", "topology": "{topology}",\\n'
    printf '"snapshot": {{"member": "{host}", "etcd": "%s",\\n' "$version"
    printf '"revision": %s, "hash": %s, "keys": %s,\\n' \\
        "$(told revision)" "$(told hash)" "$(told totalKey)"
    printf '"size": %s, "sha256": "%s", "members": [%s], "compacted": null}},\\n' \\
        "$(stat -c %s "$snapshot")" "$digest" "${{members%,}}"
    comma='"files": {{'
    for name in $names; do
        printf '%s\\n"%s": {{"sha256": "%s", "size": %s, "mode": "0600"}}' \\
            "$comma" "$name" "$(sum <"$tree/$name")" "$(stat -c %s "$tree/$name")"
        comma=,
    done
    printf '}}}}\\n'
}} >"$tree/manifest.json"

format=''
if tar --version 2>/dev/null | grep -q GNU; then format=--format=gnu; fi
made=$work/made
# shellcheck disable=SC2086 # words of this script's own
tar $format -cf "$made" -C "$tree" manifest.json $names etcd/snapshot.db
sum <"$made" >"$work/digest"
cat "$work/digest" >>"$made"
sync "$made"
[ "$(tar -xOf "$made" etcd/snapshot.db | sum)" = "$digest" ] || fail 'it does not read back'
whole=$(sum <"$made")
stamp=$(date -u -d "@$now" +%Y%m%dT%H%M%SZ)
beginning=$(echo "$identity" | cut -c 1-8)
name=$cluster-$stamp-$beginning-$(echo "$whole" | cut -c 1-16).tar
mv "$made" "$folder/$name"
sync "$folder"
etcd put {key} "$period {host} $name" >/dev/null
echo "made $folder/$name"

superfluous() {{
{prune}
    return 1
}}
cd "$folder"
set -- "$cluster"-[0-9]*T[0-9]*Z-"$beginning"-*.tar
while [ $# -gt 1 ] && superfluous "$@"; do
    rm -f -- "$1"
    shift
done
"""
