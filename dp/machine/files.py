"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | Path, content: str | Callable[[Path], object]) -> Path:
    """Write text, or let a function write, to a file beside the target, then rename it.

    An interrupted write leaves the target as it was and nothing beside it.

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
