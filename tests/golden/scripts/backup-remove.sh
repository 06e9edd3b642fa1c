rm -f -- /srv/b.tar
