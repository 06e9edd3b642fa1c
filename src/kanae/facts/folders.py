"""What is in a folder: the section of the script of facts, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.facts.frame import Answer

# A name with a line break is nobody's that kanae asks for.
SHELL = """\
section folders
for folder in {paths}; do
printf 'D %s\\n' "$folder"
for entry in "$folder"/* "$folder"/.[!.]* "$folder"/..?*; do
case $entry in *"$nl"*) continue ;; esac
if [ -e "$entry" ] || [ -L "$entry" ]; then printf 'N %s\\n' "${{entry##*/}}"; fi
done
done
"""


def parse_folders(answer: Answer, asked: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names in each folder that was asked for."""
    found: dict[str, set[str]] = {path: set() for path in asked}
    here: set[str] = set()
    for line in answer.lines("folders"):
        kind, _, name = line.partition(" ")
        if kind == "D":
            here = found.setdefault(name, set())
        elif kind == "N" and name:
            here.add(name)
        else:
            raise answer.wrong(f"{line!r} says nothing about a folder")
    return {path: tuple(sorted(names)) for path, names in found.items()}
