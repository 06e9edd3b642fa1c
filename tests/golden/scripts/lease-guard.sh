( { read -r _ && read -r holder; } </run/kanae/lease && [ "$holder" = run-2 ] ) 2>/dev/null || { echo kanae-fenced >&2; exit 96; }
