#!/bin/sh
# Managed by kanae; changes are repaired by `kanae apply`.
# Makes a backup of the cluster when it is this host's turn; given the word `now`, at once.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cluster=small folder=/var/backups/kanae

fail() { echo "$*" >&2; exit 1; }
etcd() { env NO_PROXY=* no_proxy=* etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --endpoints https://127.0.0.1:2379 "$@"; }
sum() { sha256sum | cut -c 1-64; }

now=$(date +%s)
period=$((now / 21600))
if [ "${1:-}" != now ]; then
    turn=$(((0 + 2 - period % 2) % 2))
    [ $((now % 21600 / 300)) = "$turn" ] || exit 0
    last=$(etcd get kanae/backup --print-value-only)
    case $last in
    "$period "*) echo "made by another host: ${last#* }"; exit 0 ;;
    esac
fi

mkdir -p /run/kanae "$folder"
exec 9>/run/kanae/backup.lock
flock -w 900 9 || fail 'another backup is being made on this host'
work=$folder/.making
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$work"
tree=$work/tree snapshot=$work/tree/etcd/snapshot.db
for each in etcd pki/etcd kubeadm marks encryption; do mkdir -p "$tree/$each"; done

status=$(etcd endpoint status -w json)
size=$(echo "$status" | sed -n 's/.*"dbSize":\([0-9]*\).*/\1/p')
version=$(echo "$status" | sed -n 's/.*"version":"\([^"]*\)".*/\1/p')
members=$(etcd member list -w json | grep -o '"name":"[^"]*"' | cut -d : -f 2 | tr '\n' ',')
[ -n "$size" ] && [ -n "$version" ] && [ -n "$members" ] || fail 'etcd does not say how it is'
free=$(df -Pk "$folder" | awk 'END { print int($4 - $2 / 10) }')
[ "$free" -gt $((size / 512)) ] || fail "$folder has no room for a backup"

taken=$(date -u -d "@$now" +%Y-%m-%dT%H:%M:%SZ)
etcd --command-timeout=15m snapshot save "$snapshot" >/dev/null 2>"$work/log" ||
    fail "etcd gives no snapshot: $(tail -n 5 "$work/log")"
status=$(etcdutl snapshot status "$snapshot" -w json)
told() { echo "$status" | sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"; }
digest=$(sum <"$snapshot")
# etcd's own, at the end of its file.
own=$(tail -c 32 "$snapshot" | od -An -v -tx1 | tr -d ' \n')
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
/etc/kanae/backup-spec.yaml spec.yaml
/etc/kubernetes/pki/ca.crt pki/ca.crt
/etc/kubernetes/pki/ca.key pki/ca.key
/etc/kubernetes/pki/front-proxy-ca.crt pki/front-proxy-ca.crt
/etc/kubernetes/pki/front-proxy-ca.key pki/front-proxy-ca.key
/etc/kubernetes/pki/sa.pub pki/sa.pub
/etc/kubernetes/pki/sa.key pki/sa.key
/etc/kubernetes/pki/etcd/ca.crt pki/etcd/ca.crt
/etc/kubernetes/pki/etcd/ca.key pki/etcd/ca.key
/var/lib/kanae/marks/cluster marks/cluster
/var/lib/kanae/marks/identity marks/identity
/var/lib/kanae/marks/hosts marks/hosts
/var/lib/kanae/marks/fixed marks/fixed
/var/lib/kanae/marks/pod-network marks/pod-network
END
for object in kubeadm-config kubelet-config kube-proxy; do
    if env NO_PROXY=* no_proxy=* kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/kanae/kubectl -n kube-system get configmap "$object" -o yaml >"$tree/kubeadm/$object.yaml" \
        2>/dev/null; then names="$names kubeadm/$object.yaml"; fi
done

identity=$(cat /var/lib/kanae/marks/identity)
{
    printf '{"format": 1, "cluster": "%s", "identity": "%s", "taken": "%s",\n' \
        "$cluster" "$identity" "$taken"
    printf '"kanae": "0.1.0", "kubernetes": "v1.37.2", "topology": "stacked",\n'
    printf '"snapshot": {"member": "m1", "etcd": "%s",\n' "$version"
    printf '"revision": %s, "hash": %s, "keys": %s,\n' \
        "$(told revision)" "$(told hash)" "$(told totalKey)"
    printf '"size": %s, "sha256": "%s", "members": [%s], "compacted": null},\n' \
        "$(stat -c %s "$snapshot")" "$digest" "${members%,}"
    comma='"files": {'
    for name in $names; do
        printf '%s\n"%s": {"sha256": "%s", "size": %s, "mode": "0600"}' \
            "$comma" "$name" "$(sum <"$tree/$name")" "$(stat -c %s "$tree/$name")"
        comma=,
    done
    printf '}}\n'
} >"$tree/manifest.json"

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
etcd put kanae/backup "$period m1 $name" >/dev/null
echo "made $folder/$name"

superfluous() {
    [ $# -le 5 ] || return 0
    limit=$(date -u -d "@$((now - 2592000))" +%Y%m%d%H%M%S)
    taken=${1#"$cluster"-}; taken=${taken%%Z*}
    [ "${taken%T*}${taken#*T}" -ge "$limit" ] || return 0
    return 1
}
cd "$folder"
set -- "$cluster"-[0-9]*T[0-9]*Z-"$beginning"-*.tar
while [ $# -gt 1 ] && superfluous "$@"; do
    rm -f -- "$1"
    shift
done
