id=$(crictl ps -q --state running --name '^kube-proxy$' 2>/dev/null | head -n 1)
[ -n "$id" ] || { echo "kube-proxy does not run"; exit 1; }
rules=$(crictl exec -s "$id" nft list table ip kube-proxy 2>&1) || { printf '%s' "$rules" | tail -n 3; exit 1; }
printf '%s\n' "$rules" | grep -o -e 'goto endpoint-[^ ]*__[0-9.]*/[0-9]*' | sed 's|.*__\([0-9.]*\)/|\1:|' | sort -u
