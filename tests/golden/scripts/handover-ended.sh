systemctl is-active -q kanae-hand-over-it.service || exit 0
left=$(ss -Htn state connected '( src 10.0.0.100 or src 10.0.0.99 ) and ( sport = :6440 or sport = :7443 )' 2>/dev/null | wc -l)
printf '%s connections' "$left"
exit 1
