set -eu
rm -f -- /var/lib/kanae/restores/abababababababab-1.db
[ ! -e /var/lib/kanae/marks/restoring ] || mv -fT /var/lib/kanae/marks/restoring /var/lib/kanae/marks/restored
sync /var/lib/kanae/marks
