cd '/srv/it'"'"'s' 2>/dev/null || { [ ! -e '/srv/it'"'"'s' ] && exit 0; cd '/srv/it'"'"'s'; }
for file in *.tar *.tar.age; do
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  stat -c '%s %n' -- "$file"
done
