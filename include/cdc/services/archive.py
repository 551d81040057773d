"""Zip archives of Python packages that are the same, byte for byte, for the same sources."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SUFFIXES = (".py", ".sql", ".json", ".typed")


def write_archive(package: Path, target: Path) -> Path:
    """Pack `package` into `target`, which appears whole or not at all.

    Only sources and their data files are packed, in the order of their names, with a fixed time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(descriptor, "wb") as handle, zipfile.ZipFile(handle, "w") as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and path.suffix in _SUFFIXES:
                entry = zipfile.ZipInfo(str(path.relative_to(package.parent)), _EPOCH)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    Path(scratch).chmod(0o644)
    return Path(scratch).replace(target)
