"""Modules that the file of a policy imports from its own folder: what they held, and which of two of one name it gets.

A policy may depend on them, so a run records them by digest. Those that the text names are found by it, also where a
method imports them later; others, such as those that are imported by a computed name, once they are imported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..dp.machine.seal import digest
from ..posteriors.foundation.messages import named, shown

__all__ = ["imports_of", "refuse_other_modules"]

# Digests of modules as they were when they were first seen: Python does not read a module again.
_seen: dict[Path, str] = {}
# Modules that the files read so far name, wherever they import them.
_claimed: dict[str, Path] = {}
_OWN = __name__.partition(".")[0]


def refuse_other_modules(file: str, source: bytes) -> None:
    """Raise where a file would get a module from the folder of another file of policies in place of its own.

    Python knows one module of a name.

    Parameters
    ----------
    file : str
    source : bytes
        Text of the file.

    Raises
    ------
    ValueError
        With the name of the module and the place of the other one.
    """
    beside = _beside(source, _folders_of(file))
    for name, path in beside.items():
        other = _claimed.get(name, path)
        if other.resolve() != path.resolve():
            raise ValueError(
                f"{named(file)}: imports {name}, a name that {shown(str(other))} has for another file of policies; "
                "give one of the two another name"
            )
    _claimed.update(beside)


def imports_of(file: str, source: bytes) -> list[dict[str, str]]:
    """Modules from the folder of a file that it imports, or that they import, each with its SHA-256 digest.

    Parameters
    ----------
    file : str
    source : bytes
        Text of the file.

    Returns
    -------
    list of dict
        With the path of each, relative to the folder, as ``file``, and its digest as ``sha256``; sorted by path.
    """
    folders = _folders_of(file)
    found: dict[str, str] = {}
    for path in _beside(source, folders).values():
        _record(path, folders, found)
    for name, module in list(sys.modules.items()):
        package, place = name.partition(".")[0], getattr(module, "__file__", None)
        if isinstance(place, str) and package not in ("__main__", _OWN) and not package.startswith("file:"):
            _record(Path(place).absolute(), folders, found)
    return [{"file": name, "sha256": found[name]} for name in sorted(found)]


def _record(path: Path, folders: set[Path], found: dict[str, str]) -> None:
    """Add a module, unless it stands elsewhere or is an installed one."""
    for folder in folders:
        if path.is_relative_to(folder) and "site-packages" not in path.parts:
            if path not in _seen:
                with suppress(OSError):
                    _seen[path] = digest(path.read_bytes())
            found.setdefault(path.relative_to(folder).as_posix(), _seen.get(path, ""))


def _folders_of(file: str) -> set[Path]:
    """Folder of a file, and, if the file is a link, that of what it links to."""
    return {Path(file).absolute().parent, Path(file).resolve().parent}


def _beside(source: bytes, folders: set[Path]) -> dict[str, Path]:
    """Modules in some folders that a text names in import statements, and those that these name, by their names."""
    found: dict[str, Path] = {}
    texts = [source]
    while texts:
        for name, path in _named(texts.pop(), folders):
            if name not in found:
                found[name] = path
                with suppress(OSError):
                    texts.append(path.read_bytes())
    return found


def _named(source: bytes, folders: set[Path]) -> Iterator[tuple[str, Path]]:
    """Names and files of the modules in some folders that import statements anywhere in a text name."""
    try:
        statements = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    names: dict[str, None] = {}
    for statement in statements:
        if isinstance(statement, ast.Import):
            names |= dict.fromkeys(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            within = (f"{statement.module}.{alias.name}" for alias in statement.names)
            names |= dict.fromkeys((statement.module, *within))
    for name in names:
        # A package is read before the modules in it.
        parts = name.split(".")
        for k in range(1, len(parts) + 1):
            for folder in sorted(folders):
                base = folder.joinpath(*parts[:k])
                for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
                    if path.is_file():
                        yield ".".join(parts[:k]), path
