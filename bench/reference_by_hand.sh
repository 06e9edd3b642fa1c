#!/bin/bash
# The cluster of examples/reference.yaml as an experienced operator would build it: the same kubeadm
# commands, everything in parallel that may be, over ssh with one connection a host.
#
#   bench/reference_by_hand.sh FOLDER
#
# FOLDER is made by bench/by_hand.py and holds what this operator has written before:
#   cluster.env             hosts, addresses and ssh_config as shell variables
#   hosts/HOST/...          files of each host at their places below / (units, configurations)
#   kubeadm/HOST.yaml       kubeadm's configuration with @TOKEN@ and @CA_CERT_HASH@
#   network.json            objects of the pod network
# Binaries, packages and images are on the hosts already. The script makes all certificates that
# are not kubeadm's own, and leaves kubectl working on the client host.
set -euo pipefail
cd "$1"
. ./cluster.env
MASTERS="$FIRST $OTHER_MASTERS"

on() {
    local host=$1
    shift
    ssh -F "$SSH_CONFIG" -o ControlMaster=auto -o ControlPersist=20 -o ControlPath="$PWD/ssh-%C" \
        -o Compression=no "$host" "$@"
}

# together FUNCTION HOST...: on all hosts at once; the first failure ends the script.
together() {
    local function=$1 host pids=()
    shift
    for host in "$@"; do
        "$function" "$host" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

address() {
    local variable=ADDRESS_$1
    echo "${!variable}"
}

EC=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc)

authority() { # FILE COMMON_NAME
    openssl req -x509 "${EC[@]}" -days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.crt" \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign \
        -addext "subjectAltName=DNS:$2" 2>/dev/null
}

leaf() { # FILE AUTHORITY COMMON_NAME USAGES [NAMES]
    local names=()
    [ -z "${5:-}" ] || names=(-addext "subjectAltName=$5")
    openssl req -x509 "${EC[@]}" -days 365 -CA "$2.crt" -CAkey "$2.key" -subj "/CN=$3" \
        -keyout "$1.key" -out "$1.crt" -addext basicConstraints=critical,CA:FALSE \
        -addext keyUsage=critical,digitalSignature,keyEncipherment \
        -addext "extendedKeyUsage=$4" "${names[@]}" 2>/dev/null
}

certificates() { # HOST
    local pki=hosts/$1/etc/kubernetes/pki where
    where="DNS:$1,IP:$(address "$1")"
    mkdir -p "$pki/etcd"
    cp pki/ca.* pki/front-proxy-ca.* pki/sa.* "$pki"
    cp pki/etcd-ca.crt "$pki/etcd/ca.crt"
    cp pki/etcd-ca.key "$pki/etcd/ca.key"
    leaf "$pki/etcd/server" pki/etcd-ca "$1" serverAuth,clientAuth \
        "$where,DNS:localhost,IP:127.0.0.1"
    leaf "$pki/etcd/peer" pki/etcd-ca "$1" serverAuth,clientAuth "$where"
    leaf "$pki/etcd/healthcheck-client" pki/etcd-ca kube-etcd-healthcheck-client clientAuth
    leaf "$pki/apiserver-etcd-client" pki/etcd-ca kube-apiserver-etcd-client clientAuth
}

prepare() { # HOST: its files, then its services
    tar -C "hosts/$1" --owner=0 --group=0 -c . | on "$1" '
        set -e
        tar -x --no-overwrite-dir -C /
        modprobe -qa overlay br_netfilter vxlan || true
        for file in /etc/sysctl.d/90-kanae*.conf; do [ ! -e "$file" ] || sysctl -q -p "$file"; done
        systemctl daemon-reload
        cd /etc/systemd/system
        set -- $(ls -d containerd.service etcd.service kanae-*.service 2>/dev/null)
        [ $# -eq 0 ] || systemctl enable -q --now "$@"
        [ ! -e kubelet.service ] || systemctl enable -q kubelet'
}

join() { # HOST
    on "$1" 'umask 077; cat >/run/kubeadm.yaml
        kubeadm join --config /run/kubeadm.yaml >/run/kubeadm.log 2>&1 || {
            tail -n 20 /run/kubeadm.log >&2; exit 1; }
        rm -f /run/kubeadm.yaml' <"kubeadm/$1.yaml"
}

umask 077
mkdir -p pki
authority pki/ca kubernetes &
authority pki/front-proxy-ca front-proxy-ca &
authority pki/etcd-ca etcd-ca &
{ openssl genrsa -traditional -out pki/sa.key 2048 && openssl rsa -in pki/sa.key -pubout \
    -out pki/sa.pub; } 2>/dev/null &
wait
hash=$(openssl x509 -in pki/ca.crt -noout -pubkey | openssl pkey -pubin -outform der | sha256sum)
token=$(openssl rand -hex 3).$(openssl rand -hex 8)
sed -i -e "s/@TOKEN@/$token/" -e "s/@CA_CERT_HASH@/sha256:${hash%% *}/" kubeadm/*.yaml

prepare_master() {
    certificates "$1"
    prepare "$1"
}
for host in $BALANCER $WORKERS $CLIENT; do prepare "$host" & done
together prepare_master $MASTERS

endpoints=$(for host in $MASTERS; do printf ',https://%s:2379' "$(address "$host")"; done)
on "$FIRST" 'pki=/etc/kubernetes/pki/etcd
    until etcdctl --cacert $pki/ca.crt --cert $pki/healthcheck-client.crt \
        --key $pki/healthcheck-client.key --command-timeout=3s \
        --endpoints '"${endpoints#,}"' endpoint health >/dev/null 2>&1; do sleep 0.2; done'

on "$FIRST" 'umask 077; cat >/run/kubeadm.yaml
    kubeadm init --config /run/kubeadm.yaml --skip-token-print \
        --skip-phases=show-join-command >/run/kubeadm.log 2>&1 || {
        tail -n 20 /run/kubeadm.log >&2; exit 1; }
    rm -f /run/kubeadm.yaml' <"kubeadm/$FIRST.yaml"

wait # for the other hosts' files and services
on "$FIRST" 'kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side -f - >/dev/null' \
    <network.json &
{ on "$FIRST" cat /etc/kubernetes/admin.conf |
    on "$CLIENT" 'umask 077; mkdir -p ~/.kube; cat >~/.kube/config'; } &
together join $OTHER_MASTERS $WORKERS
wait
on "$FIRST" 'export KUBECONFIG=/etc/kubernetes/admin.conf
    kubectl wait --for=condition=Ready --timeout=120s node --all >/dev/null
    kubectl -n kube-system wait --for=condition=Available --timeout=120s deployment coredns \
        >/dev/null'
for host in $BALANCER $MASTERS $WORKERS $CLIENT; do
    ssh -F "$SSH_CONFIG" -o ControlPath="$PWD/ssh-%C" -O exit "$host" 2>/dev/null || true
done
