"""Modules that the file of a policy imports: what they held, and which of two of one name it gets.

A policy may depend on modules from the folder of its file, and from folders that the file puts on ``sys.path``; so a
run records them by digest. Those that the text names are found by it, also where a method imports them later; others,
such as those that are imported by a computed name, where they are imported while the file is read. Libraries do not
count, and no module may have the name of one.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path
from typing import NamedTuple

from ..dp.machine.seal import digest
from ..posteriors.foundation.messages import named, shown
from .import_names import names_in

__all__ = ["imports_of"]

# Digests of modules as they were when they were first seen: Python does not read a module again.
_seen: dict[Path, str] = {}
# Modules that the files read so far name, wherever they import them.
_claimed: dict[str, Path] = {}
_OWN = __name__.partition(".")[0]
_LIBRARIES = {
    Path(place).resolve() for key, place in sysconfig.get_paths().items() if key in ("stdlib", "platstdlib", "purelib")
}
_LIBRARIES |= {Path(sysconfig.get_paths()["platlib"]).resolve(), Path(os.__file__).resolve().parent}


class _Module(NamedTuple):
    """A module that a text names.

    Attributes
    ----------
    path : Path
    package : str
        Name of the package that its relative imports begin at.
    """

    path: Path
    package: str


def imports_of(file: str, source: bytes, added: list[str]) -> list[dict[str, str]]:
    """Modules that a file imports, or that they import, each with its SHA-256 digest; the file has been run.

    Parameters
    ----------
    file : str
    source : bytes
        Text of the file.
    added : list of str
        Folders that it put on ``sys.path``.

    Returns
    -------
    list of dict
        With the path of each, relative to the folder of the file, as ``file``, and its digest as ``sha256``; sorted.

    Raises
    ------
    ValueError
        Where the file gets, or would get, the module of another file of policies in place of its own: Python knows one
        module of a name.
    """
    here = Path(os.path.abspath(file)).parent  # noqa: PTH100 - without following links
    folders = [here, Path(file).resolve().parent, *(Path(os.path.abspath(x)) for x in added if isinstance(x, str))]  # noqa: PTH100
    importlib.invalidate_caches()
    modules, computed = _modules(source, folders)
    for name, module in modules.items():
        first, installed = _search(name, None), _search(name, [str(place) for place in _LIBRARIES])
        loaded = _place(name)
        if installed or name in sys.stdlib_module_names or (loaded is not None and _is_library(loaded)):
            raise ValueError(
                f"{named(file)}: imports {name}, a name that a library has; give "
                f"{shown(os.path.relpath(module.path, here))} another name"
            )
        for other in (_claimed.get(name), loaded, first and first.path):
            if other is not None and other.resolve() != module.path.resolve():
                raise ValueError(_of_another(file, f"imports {name}, a name that {shown(str(other))} has", other))
    for name in _loaded() if computed else []:
        place, own = _place(name), _search(name, [str(folder) for folder in folders])
        if place is None or own is None or _is_library(place):
            continue
        if own.path.resolve() != place.resolve():
            what = f"imports modules by computed names, and {name} is one that {shown(str(place))} has"
            raise ValueError(_of_another(file, what, place))
    _claimed.update({name: module.path for name, module in modules.items()})
    paths = {module.path for module in modules.values()}
    paths |= {place for place in map(_place, _loaded()) if place is not None}
    found = {}
    for path in (path for path in paths if _is_within(path, folders)):
        if path.resolve() != Path(file).resolve():
            if path not in _seen:
                with suppress(OSError):
                    _seen[path] = digest(path.read_bytes())
            found[Path(os.path.relpath(path, here)).as_posix()] = _seen.get(path, "")
    return [{"file": name, "sha256": found[name]} for name in sorted(found)]


def _of_another(file: str, what: str, other: Path) -> str:
    of_policies = other in _claimed.values()
    where = "for another file of policies" if of_policies else "on the path of imports, or has been imported from"
    return f"{named(file)}: {what} {where}; give one of the two another name"


def _loaded() -> list[str]:
    """Modules that are loaded, but for this package's, and for the files of policies themselves."""
    names = [x for x in sys.modules if isinstance(x, str)]
    return [x for x in names if x != "__main__" and x.partition(".")[0] != _OWN and not x.startswith("file:")]


def _place(name: str) -> Path | None:
    """File of a module that is loaded."""
    place = getattr(sys.modules.get(name), "__file__", None)
    return Path(os.path.abspath(place)) if isinstance(place, str) else None  # noqa: PTH100


def _is_within(path: Path, folders: list[Path]) -> bool:
    """True for a file in one of some folders that belongs to no library."""
    # Thousands of modules are loaded: their names alone tell that most of them lie elsewhere.
    name = os.path.normcase(path)
    near = any(name.startswith(os.path.normcase(os.path.join(folder, ""))) for folder in folders)  # noqa: PTH118
    return near and not _is_library(path)


def _is_library(path: Path) -> bool:
    installed = {"site-packages", "dist-packages"}.intersection(path.parts)
    return bool(installed) or any(path.resolve().is_relative_to(place) for place in _LIBRARIES)


def _modules(source: bytes, folders: list[Path]) -> tuple[dict[str, _Module], bool]:
    """Modules in some folders that a text names, and those that these name; and whether one computes a name."""
    found: dict[str, _Module] = {}
    texts, computed = [(source, "")], False
    while texts:
        for name in names_in(*texts.pop()):
            if name is None:
                computed = True
                continue
            # A package is read before the modules in it.
            parts = name.split(".")
            for k in range(1, len(parts) + 1):
                whole = ".".join(parts[:k])
                module = found.get(whole) or _found(whole, folders)
                if module is None:
                    if any(os.path.isdir(folder.joinpath(*parts[:k])) for folder in folders):  # noqa: PTH112
                        # A folder of modules without an __init__.py.
                        continue
                    break
                if whole not in found:
                    found[whole] = module
                    with suppress(OSError):
                        texts.append((module.path.read_bytes(), module.package))
    return found, computed


def _found(name: str, folders: list[Path]) -> _Module | None:
    """Module that a file from one of some folders means by a name: one of these folders, if Python knows no library."""
    if any(finder.find_spec(name) for finder in (BuiltinImporter, FrozenImporter) if "." not in name):
        # Python looks for these before it looks into folders.
        return None
    meant = _search(name, None)
    if meant is not None and not _is_within(meant.path, folders):
        own = _search(name, [str(folder) for folder in folders])
        meant = None if _is_library(meant.path) else own
    elif meant is None:
        meant = _search(name, [str(folder) for folder in folders])
    return meant if meant is not None and _is_within(meant.path, folders) else None


def _search(name: str, places: list[str] | None) -> _Module | None:
    """Module of a name in some places; None stands for the path of imports."""
    spec = None
    parts = name.split(".")
    for k in range(len(parts)):
        try:
            spec = PathFinder.find_spec(".".join(parts[: k + 1]), places)
        except (ImportError, ValueError, OSError):
            return None
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    origin = None if spec is None else spec.origin
    if origin is None or not os.path.isfile(origin):  # noqa: PTH113
        return None
    return _Module(Path(os.path.abspath(origin)), name if places else name.rpartition(".")[0])  # noqa: PTH100
