"""Where kanae keeps things on the operator's machine (XDG base directories).

cache   artifacts, content-addressed, may be deleted at any time
state   one folder per cluster: journal, history of drills, records of labs
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from kanae.errors import MachineUnfit, UsageError


def home() -> Path:
    """The user's own folder. MachineUnfit for one that has none, as in many a container."""
    try:
        return Path.home()
    except RuntimeError:
        raise MachineUnfit(
            f"the user with the id {os.getuid()} has no home folder on this machine",
            remedy="set HOME to a folder of yours",
        ) from None


def expanded(path: str | Path) -> Path:
    """A path as a shell takes it, ~ and ~user in front. UsageError for a user without a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{path}: there is no home folder of such a user on this machine",
            remedy="write the path without ~",
        ) from None


def user() -> str:
    """Who works here: the name, or the id of a user without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification says that relative paths are to be ignored.
    return Path(value) if value.startswith("/") else home() / fallback


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/kanae`, by default `~/.cache/kanae`."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "kanae"


def state_dir() -> Path:
    """`$XDG_STATE_HOME/kanae`, by default `~/.local/state/kanae`."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "kanae"


def cluster_dir(cluster: str) -> Path:
    """State of one cluster, by its name in the spec."""
    return state_dir() / "clusters" / cluster


def known_hosts(cluster: str) -> Path:
    """Host keys of a cluster's hosts that were accepted by their fingerprints."""
    return cluster_dir(cluster) / "known_hosts"


def lab_dir(cluster: str) -> Path:
    """State of the lab that plays the hosts of one cluster; holds `ssh_config` for its hosts."""
    return state_dir() / "labs" / cluster


def guest_config(cluster: str) -> Path:
    """ssh_config for a cluster whose hosts belong to the lab of another one."""
    return cluster_dir(cluster) / "ssh_config"
