sync -- /srv/b.tar && sha256sum </srv/b.tar
