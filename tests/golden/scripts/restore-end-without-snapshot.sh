set -eu
[ ! -e /var/lib/kanae/marks/restoring ] || mv -fT /var/lib/kanae/marks/restoring /var/lib/kanae/marks/restored
sync /var/lib/kanae/marks
