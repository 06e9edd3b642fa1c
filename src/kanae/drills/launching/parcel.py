"""The prober as one zip archive that a bare Python on another host can run from memory.

It goes over standard input ahead of the prober's own input and never becomes a file there. Besides
kanae's own modules it holds the pure-Python packages of HTTP/2, as installed here.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files

# Distributions and packages alike, under the MIT licence; each with its text.
LIBRARIES = ("h2", "hpack", "hyperframe")
# asyncio.timeout and ssl_shutdown_timeout are of 3.11.
OLDEST = (3, 11)
# By name, as a distribution's own python3 may be older than another that is there too.
PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 9)))
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip archive can say

# Prints its version, and ends well when it has all that the prober needs.
_TEST = f"""\
import sys
print("%d.%d" % sys.version_info[:2])
assert sys.version_info >= {OLDEST}
import asyncio, os, resource, ssl, zlib
os.close(os.memfd_create("kanae-drill"))
"""
# Prints the first Python that will do, or all that will not, with their versions.
FIND = f"""\
for name in {" ".join(PYTHONS)}; do
command -v $name >/dev/null || continue
version=$($name -I -S -c '{_TEST}' 2>/dev/null) && {{ echo "fit $name $version"; exit 0; }}
echo "unfit $name $version"
done
exit 0
"""
# A file in memory has a path, which the import system needs. It ends with its process.
_BOOT = """\
import asyncio, os, sys
left = int(sys.argv[1])
file = os.memfd_create("kanae-drill")
while left:
    block = os.read(0, min(left, 65536))
    if not block:
        sys.exit("the parcel came cut short")
    os.write(file, block)
    left -= len(block)
sys.path.insert(0, f"/proc/self/fd/{file}")
from kanae.drills.probing.probe import main
asyncio.run(main())
"""


def modules() -> dict[str, str]:
    """kanae's own part of the archive: path -> text.

    The prober's whole folder, so that no module is forgotten; tests compare it with what is loaded.
    """
    source = files("kanae.drills")
    texts = {"kanae/__init__.py": "", "kanae/drills/__init__.py": ""}
    texts["kanae/drills/records.py"] = (source / "records.py").read_text()
    for module in (source / "probing").iterdir():
        if module.name.endswith(".py"):
            texts[f"kanae/drills/probing/{module.name}"] = module.read_text()
    return texts


@cache
def build() -> bytes:
    """The archive; the same bytes for the same versions of kanae, its libraries and zlib."""
    texts = modules()
    for library in LIBRARIES:
        for module in files(library).iterdir():
            if module.name.endswith(".py"):
                texts[f"{library}/{module.name}"] = module.read_text()
        for file in distribution(library).files or ():
            if file.name == "LICENSE":
                texts[f"{library}/LICENSE"] = file.read_text()
    made = io.BytesIO()
    # A table of hpack's alone is 170 kB; deflated, 17 kB.
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, text in sorted(texts.items()):
            entry = zipfile.ZipInfo(path, _EARLIEST)
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def script(python: str) -> str:
    """A POSIX sh script that reads the parcel from standard input and becomes the prober."""
    # -I -S: nothing of the host but the standard library.
    return f"exec {python} -I -S -c '{_BOOT}' {len(build())}\n"
