"""The shell text of each section of the script of facts; put together by `kanae.facts.script`.

Written for dash and busybox ash. `{name}` is filled in, `{{` and `}}` are the shell's braces.
"""

from __future__ import annotations

# `main` reads nothing from its input: the transport may feed the script itself through it.
# PATH is set because sudo and non-login shells leave /usr/local out.
HEAD = """\
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
nl='
'
state={state}
have() {{ command -v "$1" >/dev/null; }}
section() {{ printf '#%s %s\\n' "$began" "$1"; }}
# words one to the end of a line, cut at line breaks only
lines() {{ set -f; IFS=$nl; }}
plain() {{ set +f; IFS=" $nl	"; }}
main() {{
proxies=$HTTP_PROXY$HTTPS_PROXY$ALL_PROXY$http_proxy$https_proxy$all_proxy
{direct}
began=$(date +%s.%N)
printf 'kanae-facts 1 %s\\n' "$began"
slow={slow} asked=
[ -z "$slow" ] || tmp=$(mktemp -d -p /run 2>/dev/null || mktemp -d) || slow=
[ -z "$slow" ] || trap 'rm -rf "$tmp"' EXIT
trap 'exit 143' HUP INT TERM
"""

# ctr computes sizes from the content store: 2 s on an emulated processor by itself, over 20 on a
# busy one. Images that are not known count as missing, hence the patience.
IMAGES = """\
if [ -n "$slow" ] && [ -S {socket} ] && have ctr; then
timeout -k 1 45 ctr -n k8s.io images ls >"$tmp/images" 2>/dev/null || rm -f "$tmp/images" &
fi
"""

ETCD = """\
if [ -n "$slow" ] && have etcdctl; then
ask_etcd() {{
timeout -k 1 3 etcdctl --endpoints=https://127.0.0.1:{port} \
--cacert={ca} --cert={certificate} --key={key} \
--dial-timeout=2s --command-timeout=2500ms -w json "$@" 2>/dev/null
}}
ask_etcd endpoint status >"$tmp/etcd-status" &
ask_etcd member list >"$tmp/etcd-members" &
fi
"""

BASE = """\
section files-of-base
head -v -n 4000 -- {files} 2>/dev/null
section system
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup 2; else echo cgroup 1; fi
echo cpus $(nproc)
echo nofile $(ulimit -Hn)
if (echo -1000 >/proc/self/oom_score_adj) 2>/dev/null; then echo oom lower; fi
if [ -d /run/systemd/system ]; then systemctl --version; fi
read -r _ _ release _ </proc/version
machine=$(uname -m)
echo arch "$machine"
section kernel
config=
for pair in {features}; do
feature=${{pair%%:*}}
if [ -d "/sys/module/$feature" ]; then echo "$feature"; continue; fi
if [ -d "/lib/modules/$release" ] && how=$(modprobe -q --show-depends "$feature" 2>/dev/null); then
case $how in
*"install "*)
rule=${{how##*"install "}}
printf '%s install %s\\n' "$feature" "${{rule%%"$nl"*}}" ;;
*insmod*) echo "$feature" unloaded ;;
*) echo "$feature" ;;
esac
continue
fi
if [ -z "$config" ]; then
config=none
if [ -r /proc/config.gz ] && have zcat; then
config=$(zcat /proc/config.gz | grep '^CONFIG_[A-Z_]*=y')
elif [ -r "/boot/config-$release" ]; then
config=$(grep '^CONFIG_[A-Z_]*=y' "/boot/config-$release")
fi
fi
case "$nl$config$nl" in *"$nl${{pair#*:}}=y$nl"*) echo "$feature" ;; esac
done
section proxies
[ -z "$proxies" ] || echo '{session}'
grep -ilsE '^[^#]*(https?|all)_proxy="?[^ "]' {proxy_files}
section missing
for program in {programs}; do have "$program" || echo "$program"; done
section disks
set --
for disk in {disks}; do
where=$disk
while [ ! -e "${{where:=/}}" ]; do where=${{where%/*}}; done
set -- "$@" "$where"
printf '%s\\n' "$disk"
done
section space
stat -f -c '%a %b %S' -- "$@" 2>/dev/null
section addresses
ip -o address show 2>/dev/null
section links
ip -o link show 2>/dev/null
section routes
ip -o -4 route show table main 2>/dev/null
section listeners
ss -Hlntup 2>/dev/null
"""

# Only large files are cached, and only once their change time is 2 s old: a change within one
# tick of the clock would leave ctime as it was. Texts are one stream, cut by the sizes and
# verified by the hashes of the same answer.
FILES = """\
section files
texts={texts}
set -- {paths}
for record in "$state"/marks/*; do
if [ -f "$record" ]; then
set -- "$@" "$record"
texts="$texts$nl$record"
fi
done
if [ $# -gt 0 ]; then
listing=$(QUOTING_STYLE=literal stat -c '%f %U:%G %s %d:%i %.9Y %.9Z %N' -- "$@" 2>/dev/null)
cache=
[ ! -r "$state/hashes" ] || cache=$(cat "$state/hashes")
cache=$nl$cache$nl
now=${{began%.*}}
small= large= pending= shown=
lines
for line in $listing; do
printf 'S %s\\n' "$line"
case $line in 8*) ;; *) continue ;; esac
IFS=' '
set -- $line
lines
path=${{line#"$1 $2 $3 $4 $5 $6 "}}
if [ "$3" -le 65536 ]; then
small="$small$path$nl"
else
identity="$4 $3 $5 $6 $path"
case $cache in
*" $identity$nl"*)
known=${{cache%%" $identity$nl"*}}
printf '%s  %s\\n' "${{known##*"$nl"}}" "$path" ;;
*)
large="$large$path$nl"
[ $((now - ${{6%.*}})) -lt 2 ] || pending="$pending$identity$nl" ;;
esac
fi
case $nl$texts$nl in
*"$nl$path$nl"*) [ "$3" -gt 262144 ] || shown="$shown$path$nl" ;;
esac
done
[ -z "$small" ] || sha256sum -- $small 2>/dev/null
if [ -n "$large" ]; then
hashes=$(sha256sum -- $large 2>/dev/null)
new=
for line in $hashes; do
printf '%s\\n' "$line"
path=${{line#*  }}
for identity in $pending; do
[ "${{identity#* * * * }}" != "$path" ] || new="$new${{line%%  *}} $identity$nl"
done
done
for line in $cache; do
case $nl$large in *"$nl${{line#* * * * * }}$nl"*) ;; *) new="$new$line$nl" ;; esac
done
if [ -n "$pending" ]; then
{{ mkdir -p "$state" && printf '%s' "$new" >"$state/.hashes.$$" && \
mv "$state/.hashes.$$" "$state/hashes"; }} 2>/dev/null
fi
fi
for path in $shown; do printf 'T %s\\n' "$path"; done
plain
section texts
if [ -n "$shown" ]; then
lines
cat -- $shown 2>/dev/null | base64
plain
fi
fi
"""

# Of a file that also holds a private key only the first certificate leaves the host; of the key
# beside it only the public half does. A kubeconfig holds its client certificate in base64.
CERTIFICATES = """\
section certificates
for path in {paths}; do
[ -f "$path" ] || continue
text=$(cat "$path" 2>/dev/null)
case $text in *'client-certificate-data: '*)
text=${{text#*client-certificate-data: }}
text=$(printf '%s' "${{text%%"$nl"*}}" | base64 -d 2>/dev/null) ;;
esac
body=${{text#*-----BEGIN CERTIFICATE-----}}
[ "$body" != "$text" ] || continue
printf 'C %s\\n%s\\n' "$path" "${{body%%-----END CERTIFICATE-----*}}"
key=${{path%.*}}.key
case $text in *'PRIVATE KEY-----'*) key=$path ;; esac
if [ -f "$key" ] && have openssl; then
printf 'K %s\\n' "$path"
openssl pkey -in "$key" -passin pass: -pubout 2>/dev/null
fi
done
"""

UNITS = """\
section units
[ ! -d /run/systemd/system ] || systemctl show --no-pager \
--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload,DropInPaths \
--property=ActiveEnterTimestampMonotonic -- {units} 2>/dev/null
"""

# In the order in which systemd-sysctl reads them at boot, each under a line with its path.
BOOT_SYSCTLS = """\
section boot-sysctls
if have systemd-analyze; then
timeout -k 1 10 systemd-analyze --no-pager cat-config sysctl.d 2>/dev/null | \
grep -e '^# /' -e '^[^#;]*='
fi
"""

PACKAGES = """\
section packages
"""

# Every package manager that is there is asked: a distribution may also offer another one's tools.
PACKAGES_OF = """\
if have {program}; then
{query} {packages} 2>/dev/null
fi
"""

TAIL = """\
if [ -n "$slow" ]; then
wait
for answer in "$tmp"/*; do
[ -f "$answer" ] || continue
section "answer ${{answer##*/}}"
base64 <"$answer"
done
fi
printf '#%s end %s\\n' "$began" "$(date +%s.%N)"
}}
main </dev/null
"""
