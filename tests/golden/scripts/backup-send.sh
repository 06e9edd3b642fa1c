set -eu; stat -c %s -- /srv/b.tar; cat -- /srv/b.tar
