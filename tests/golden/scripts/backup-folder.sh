[ -d '/srv/it'"'"'s' ] || { umask 077; mkdir -p '/srv/it'"'"'s'; }
