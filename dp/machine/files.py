"""Atomic writing of files: a file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | Path, content: str | Callable[[Path], object]) -> Path:
    """Write a file through a temporary file beside it, which is then renamed.

    ``content`` is the text, or a function that writes to the path it is given. An interrupted write leaves the target
    unchanged and no temporary file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), "done").read_text()
    'done'
    """
    target = Path(path)
    scratch = target.with_name(target.name + ".part")
    try:
        if isinstance(content, str):
            scratch.write_text(content, encoding="utf-8")
        else:
            content(scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    return target
