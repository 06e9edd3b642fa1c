id=$(crictl ps -q --state running --name '^kube-proxy$' 2>/dev/null | head -n 1)
[ -n "$id" ] || exit 0
rules=$(crictl exec -s "$id" iptables-save -t nat 2>&1) || { printf '%s' "$rules" | tail -n 3; exit 1; }
found=$(printf '%s\n' "$rules" | grep -m 1 -e '"default/kubernetes:https -> 192\.168\.1\.5:6443"') || exit 0
printf '%s' "$found"
exit 1
