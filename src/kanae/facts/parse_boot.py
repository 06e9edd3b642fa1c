"""Kernel settings as files set them at boot, by the rules of sysctl.d(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from kanae.facts.frame import Answer
from kanae.facts.model import BootSetting
from kanae.facts.script import below_proc, sysctl_path

_FILE = re.compile(r"# (/\S+\.conf)")
_SETTING = re.compile(r"\s*-?\s*([^\s=]+)\s*=\s*(.*?)\s*")


def parse_boot_sysctls(answer: Answer, asked: Sequence[str]) -> dict[str, BootSetting]:
    """The last file that sets one counts; a pattern counts only where no file names the setting."""
    named: dict[str, BootSetting] = {}
    patterns: dict[str, BootSetting] = {}
    file = ""
    for line in answer.lines("boot-sysctls"):
        if found := _FILE.fullmatch(line):
            file = found[1]
        elif found := _SETTING.fullmatch(line):
            kind = patterns if re.search(r"[*?\[]", found[1]) else named
            kind[below_proc(found[1])] = BootSetting(" ".join(found[2].split()), file)
    settings: dict[str, BootSetting] = {}
    for name in asked:
        path = sysctl_path(name)
        fits = [told for pattern, told in patterns.items() if fnmatchcase(path, pattern)]
        if path in named:
            settings[name] = named[path]
        elif fits:
            settings[name] = fits[-1]
    return settings
