"""Running a server as another user when the stack is started by root, which PostgreSQL refuses to be."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import ConfigurationError

SYSTEM_USER = "embedded_postgres"


@dataclass(frozen=True)
class RunAs:
    """How to start a program that must not be root.

    Attributes:
        uid: the user that the program runs as, None when it may simply be the present one.
        prefix: what stands before the program in its argument list.
    """

    uid: int | None
    prefix: tuple[str, ...]

    def give(self, path: Path) -> None:
        """Make the program's user the owner of a file or folder."""
        if self.uid is not None:
            os.chown(path, self.uid, -1)


def build_prefix(user: pwd.struct_passwd, reachable: bool) -> tuple[str, ...]:
    """Build the `setpriv` call that drops root.

    A checkout below a private folder (such as `/root`) is not readable for another user. Instead of
    opening that folder to everybody, the program keeps the one capability that lets it pass.
    The kernel forgets the parent-death signal when the user changes, so `setpriv` sets it again: the
    server ends (fast shutdown) when the supervisor dies.
    """
    override = () if reachable else ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    return (
        "setpriv",
        *("--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"),
        *("--pdeathsig", "INT"),
        *override,
        "--",
    )


def is_reachable(path: Path) -> bool:
    """Whether every folder above a path lets any user pass, and the path itself lets any user read."""
    passable = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
    return passable and bool(path.stat().st_mode & stat.S_IROTH)


def ensure_user(name: str) -> pwd.struct_passwd:
    """Look a system user up, and create it the first time.

    Raises:
        ConfigurationError: `useradd` is missing or failed.
    """
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    argv = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", None) or str(error)
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and its user {name} cannot be created ({words.strip()}): "
            "start the stack as an ordinary user, or create that user"
        ) from error
    return pwd.getpwnam(name)


def choose_user(binary: Path, data: Path) -> RunAs:
    """Decide whom a PostgreSQL program runs as.

    Raises:
        ConfigurationError: as root on a machine without `setpriv`.
    """
    if os.geteuid() != 0:
        return RunAs(uid=None, prefix=())
    if shutil.which("setpriv") is None:
        raise ConfigurationError(
            "PostgreSQL does not run as root and `setpriv` (package util-linux) was not found on PATH, so "
            "its user cannot be changed: install util-linux, or start the stack as an ordinary user"
        )
    user = ensure_user(SYSTEM_USER)
    return RunAs(
        uid=user.pw_uid, prefix=build_prefix(user, is_reachable(binary) and is_reachable(data.parent))
    )
