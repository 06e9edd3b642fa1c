set -eu; umask 077; mkdir -p /run/kanae
exec 9>/run/kanae/lease.lock; flock 9
read -r now _ </proc/uptime; now=${now%.*}
holder= about= before= stamp=0
if [ -s /run/kanae/lease ]; then
  { read -r stamp; read -r holder; read -r about; read -r before || :; } </run/kanae/lease
fi
# By a program, since the shell itself would say of a full disk that it is an I/O error.
write() { printf '%s\n' "$@" | cat >/run/kanae/lease.new && mv -f /run/kanae/lease.new /run/kanae/lease; }
[ "$holder" != run-2 ] || write 0 "" 'ann@desk boot 7 8 9' 'run-0 run-2'
