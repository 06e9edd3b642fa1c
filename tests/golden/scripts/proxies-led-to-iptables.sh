id=$(crictl ps -q --state running --name '^kube-proxy$' 2>/dev/null | head -n 1)
[ -n "$id" ] || { echo "kube-proxy does not run"; exit 1; }
rules=$(crictl exec -s "$id" iptables-save -t nat 2>&1) || { printf '%s' "$rules" | tail -n 3; exit 1; }
printf '%s\n' "$rules" | grep -o -e '-> [0-9.]*:[0-9]*"' | sed 's|^-> \(.*\)"$|\1|' | sort -u
