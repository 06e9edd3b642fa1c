"""What no verb has foreseen, in one paragraph; the particulars go to a log."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import kanae
from kanae import paths
from kanae.errors import KanaeError, MachineUnfit, Unexpected


def explained(error: Exception) -> KanaeError:
    """MachineUnfit where a file of this machine is the cause, else Unexpected."""
    log = _logged(error)
    told = f"the particulars are in {log}" if log is not None else "no log of it could be written"
    if isinstance(error, OSError) and error.filename is not None:
        return MachineUnfit(
            f"{os.fsdecode(error.filename)}: {error.strerror or type(error).__name__}",
            remedy=f"see that it is there, that you may use it and that its disk has room; {told}",
        )
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Unexpected(
        f"kanae {kanae.__version__} has failed: {what if len(what) < 400 else what[:397] + '...'}",
        remedy=f"this is a fault of kanae: report it with the log; {told}",
    )


def _logged(error: Exception) -> Path | None:
    """Readable by the user only: it may name hosts and files. None when it cannot be written."""
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sys.argv}\n"
    text += "".join(traceback.format_exception(error))
    for folder in (_state, tempfile.gettempdir):
        try:
            where = Path(folder())
            where.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(".log", "error-", where)
            with os.fdopen(descriptor, "w", errors="backslashreplace") as out:
                out.write(text)
        except (OSError, KanaeError):
            continue
        return Path(name)
    return None


def _state() -> str:
    return str(paths.state_dir() / "errors")
