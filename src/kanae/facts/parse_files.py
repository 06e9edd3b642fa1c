"""Files: lines of stat, hashes, and one stream of texts cut by sizes and proved by hashes."""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import replace

from kanae.facts.frame import Answer
from kanae.facts.model import FileFact

_STAT = re.compile(r"S ([0-9a-f]{1,8}) (\S+) (\d{1,18}) \S+ (\S+) \S+ (/.*)")
_SECONDS = re.compile(r"\d{1,10}(\.\d{1,9})?")
_HASH = re.compile(r"([0-9a-f]{64})  (/.*)")
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def parse_files(answer: Answer) -> dict[str, FileFact]:
    """Every file that the host found, by path."""
    found: dict[str, FileFact] = {}
    hashes: dict[str, str] = {}
    shown: list[str] = []
    for line in answer.lines("files"):
        if match := _STAT.fullmatch(line):
            path, fact = _stat(match)
            found[path] = fact
        elif match := _HASH.fullmatch(line):
            hashes[match[2]] = match[1]
        elif line.startswith("T "):
            shown.append(line.removeprefix("T "))
        else:
            raise answer.wrong(f"{line!r} says nothing about a file")
    facts = {path: replace(fact, sha256=hashes.get(path, "")) for path, fact in found.items()}
    return facts | _texts(answer, facts, shown)


def _stat(match: re.Match[str]) -> tuple[str, FileFact]:
    mode = int(match[1], 16)
    kind = _KINDS.get(stat.S_IFMT(mode), "other")
    path, target = match[5], ""
    if kind == "link":
        path, _, target = path.partition(" -> ")
    modified = float(match[4]) if _SECONDS.fullmatch(match[4]) else 0.0
    return path, FileFact(
        kind, stat.S_IMODE(mode), match[2], int(match[3]), target=target, modified=modified
    )


def _texts(answer: Answer, facts: dict[str, FileFact], shown: list[str]) -> dict[str, FileFact]:
    stream = answer.decoded("texts")
    texts: dict[str, FileFact] = {}
    at = 0
    for path in shown:
        fact = facts.get(path)
        if fact is None:
            raise answer.wrong(f"a text of {path!r}, which it does not have")
        piece = stream[at : at + fact.size]
        at += fact.size
        if hashlib.sha256(piece).hexdigest() != fact.sha256:
            raise answer.wrong(f"{path} changed while it was read")
        try:
            texts[path] = replace(fact, text=piece.decode())
        except UnicodeDecodeError:
            texts[path] = fact
    return texts
