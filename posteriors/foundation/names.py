"""Objects by name, with settings in brackets such as ``lookahead(depth=3, leaf=payoff)``.

A ``Registry`` holds the classes of one kind, including those of other packages. A package registers a class in its own
metadata, in the registry's entry-point group:

    [project.entry-points."seqaudit.policies"]
    boldest = "my_package:Boldest"
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from .messages import LONGEST_FAULT, listed, named, shown
from .plugins import calling, origin, text_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "Registry",
    "meant_by",
    "nearest_name",
    "read_settings",
    "split_name",
    "unknown_key",
    "unknown_name",
    "write_name",
]


# Names that a message lists; names, and letters of each, that are compared to find the most similar one.
_MOST_NAMES = 30
_MOST_COMPARED = 1000
_MOST_LETTERS = 60
# Similarity above which a name may be meant, and letters that it must have for that.
_NEAR = 0.84
# Numbers without end as Python writes them, though it reads no such literal.
_INFINITE = ("inf", "-inf")
_FEWEST_LETTERS = 3


@dataclass(eq=False)
class Registry[T]:
    """Classes of one kind by their names, and construction of objects from names and settings.

    Parameters
    ----------
    base : type
        Base of all classes.
    called : str
        Name of the kind in messages.
    group : str, optional
        Entry-point group in which other packages register classes.
    key : str
        Attribute of a class that holds its name, and key of the name in a mapping that describes an object.
    setting : str
        Word for an argument of a class.
    unknown : str
        Template of the message on an unknown name; see ``unknown_name``.

    Examples
    --------
    >>> from seqaudit import Accuracy, Asymmetric, Utility
    >>> utilities = Registry(Utility, "utility")
    >>> utilities.add_built_in([Accuracy, Asymmetric])
    >>> utilities.make("asymmetric(loss=3)")
    Asymmetric(gain=1.0, loss=3)
    >>> utilities.make({"name": "asymmetric", "loss": 3}, gain=2)
    Asymmetric(gain=2, loss=3)
    >>> utilities.make("acuracy")
    Traceback (most recent call last):
        ...
    ValueError: utility is 'acuracy'; allowed: accuracy, asymmetric; did you mean 'accuracy'?
    """

    base: type[T]
    called: str
    group: str | None = None
    key: str = "name"
    setting: str = "setting"
    unknown: str = "{called} is {name}; allowed: {known}{hint}"
    _built_in: list[type[T]] = field(default_factory=list, init=False, repr=False)
    _unusual: list[type[T]] = field(default_factory=list, init=False, repr=False)
    _found: dict[str, type[T]] | None = field(default=None, init=False, repr=False)
    _unusable: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def add_built_in(self, classes: Iterable[type[T]], *, usual: bool = True) -> None:
        """Register built-in classes; they come before those of other packages.

        Parameters
        ----------
        classes : iterable of type
        usual : bool
            False for classes that are known by name, but are not among those that a study of all covers.
        """
        (self._built_in if usual else self._unusual).extend(classes)
        self.forget()

    @property
    def built_in(self) -> Sequence[type[T]]:
        """Built-in classes."""
        return self._built_in

    @property
    def offered(self) -> tuple[type[T], ...]:
        """Classes of other packages, of those found so far."""
        return tuple(cls for cls in (self._found or {}).values() if cls not in (*self._built_in, *self._unusual))

    def forget(self) -> None:
        """Discard the classes found so far; those of other packages are looked up again at the next use."""
        self._found = None

    def classes(self) -> dict[str, type[T]]:
        """Classes by name, built-in ones first, except those that are not usual; see ``known``."""
        return {name: cls for name, cls in self.known().items() if cls not in self._unusual}

    def known(self) -> dict[str, type[T]]:
        """All classes by name, built-in ones first.

        An entry point that cannot be used is left out, with one warning: one that cannot be imported, does not refer to
        a class of this kind, or whose name is taken or is not that of its class.
        """
        if self._found is None:
            found = {getattr(cls, self.key): cls for cls in (*self._built_in, *self._unusual)}
            self._add_offered(found)
            self._found = found
        return self._found

    def names(self) -> tuple[str, ...]:
        """Names of all usual classes."""
        return tuple(self.classes())

    def make(self, spec: object, /, **settings: Any) -> T:
        """Object of a registered class.

        Parameters
        ----------
        spec : object, str or mapping
            A name, alone or with settings in brackets, or a mapping with the name and settings. An object of this kind
            is returned unchanged.
        **settings
            Settings that replace those in ``spec``.

        Returns
        -------
        object
            Instance of ``base``.

        Raises
        ------
        ValueError
            For an unknown name, with the most similar known one; for a setting that is unknown, missing or given twice,
            with the allowed ones; for settings beside an existing object, or one with the name of a built-in class that
            is not its own; and for values that the class refuses.
        """
        if isinstance(spec, self.base):
            if settings:
                raise ValueError(
                    f"{self.called} {shown(spec)} is already constructed and takes no {listed(settings, quoted=False)}"
                )
            self._require_own_name(spec)
            return spec
        known = self.known()
        written = spec
        if isinstance(spec, Mapping):
            if self.key not in spec:
                allowed = listed(known, _MOST_NAMES, quoted=False)
                raise ValueError(f"{self.called} {shown(spec)} has no {self.key}; allowed: {allowed}")
            written = spec[self.key]
            settings = {key: value for key, value in spec.items() if key != self.key} | settings
        name, inside = split_name(written) if isinstance(written, str) else (written, None)
        if isinstance(name, str) and name in self._unusable:
            raise ValueError(f"{self.called} {name} cannot be used: its entry point {self._unusable[name]}")
        if not isinstance(name, str) or name not in known:
            raise ValueError(unknown_name(self.unknown.replace("{called}", self.called), name, known))
        takes = {
            key: parameter
            for key, parameter in inspect.signature(known[name]).parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
        allowed = ", ".join(takes) or "none"
        for key in settings:
            if key not in takes:
                raise ValueError(f"{self.called} {name} has no {self.setting} {shown(key)}; allowed: {allowed}")
        settings = read_settings(f"{self.called} {shown(written)}", inside, list(takes)) | settings
        needed = [key for key, parameter in takes.items() if parameter.default is parameter.empty]
        for key in needed:
            if key not in settings:
                more = f" (allowed: {allowed})" if len(needed) < len(takes) else ""
                raise ValueError(f"{self.called} {name} lacks {shown(key)}; it needs {', '.join(needed)}{more}")
        try:
            with calling(self.called, known[name], ""):
                return known[name](**settings)
        except ValueError as error:
            if str(error).startswith((f"{name}:", f"{self.called} {name}:")):
                raise
            raise ValueError(f"{self.called} {named(name)}: {error}") from None

    def _require_own_name(self, made: T) -> None:
        """Raise for an object that would be taken for one of a built-in class, by whose name it goes."""
        cls, known = type(made), (*self._built_in, *self._unusual)
        name = getattr(made, self.key, None)
        if cls not in known:
            for other in known:
                if name == getattr(other, self.key):
                    raise ValueError(
                        f"{self.called} of the class {cls.__name__} has the {self.key} {shown(name)}, which is that of "
                        f"{other.__name__}; give {cls.__name__} one of its own, as in {self.key} = 'mine'"
                    )

    def _add_offered(self, found: dict[str, type[T]]) -> None:
        """Add the classes that other packages register."""
        from importlib.metadata import entry_points

        if self.group is None:
            return
        self._unusable = {}
        own = set(found)
        for entry in sorted(entry_points(group=self.group), key=lambda e: e.name):
            fault, cls = self._offered(entry)
            if fault is None and entry.name in found:
                fault = f"has a name that {':'.join(origin(found[entry.name]))} has too"
                if entry.name not in own:
                    # Neither of two packages has a better claim.
                    del found[entry.name]
            if fault is None and entry.name not in self._unusable:
                found[entry.name] = cls
                continue
            fault = fault or "has the name of another one that is left out"
            if entry.name not in own:
                self._unusable[entry.name] = fault
            # One broken package must not disable the classes of all others.
            warnings.warn(f"{self.called} {entry.name} = {entry.value} {fault}; it is left out", stacklevel=2)

    def _offered(self, entry: EntryPoint) -> tuple[str | None, Any]:
        """Fault of the class that an entry point refers to, or None, and the class."""
        try:
            cls = entry.load()
            kind = isinstance(cls, type) and issubclass(cls, self.base)
            name = getattr(cls, self.key, None)
        except (Exception, SystemExit) as error:
            return f"cannot be imported: {type(error).__name__}: {error}", None
        if not kind:
            return f"is not a {self.base.__name__} class", None
        return (None if name == entry.name else f"refers to a {self.called} of another name, {text_of(name)}"), cls


def split_name(text: str) -> tuple[str, str | None]:
    """Name, and the text in brackets after it; None without brackets.

    Examples
    --------
    >>> split_name("dawid-skene(difficulty=True)"), split_name("kg")
    (('dawid-skene', 'difficulty=True'), ('kg', None))
    """
    written = re.fullmatch(r"\s*([^\s()]+)\s*\((.*)\)\s*", text, re.DOTALL)
    return (written.group(1), written.group(2)) if written else (text, None)


def read_settings(what: str, inside: str | None, allowed: Sequence[str]) -> dict[str, Any]:
    """Settings parsed from the text between brackets: numbers, words, or names with settings in brackets.

    Parameters
    ----------
    what : str
        Start of error messages.
    inside : str or None
        Text between the brackets; None without brackets.
    allowed : sequence of str
        Names of the allowed settings.

    Returns
    -------
    dict
        Values by the names of their settings.

    Raises
    ------
    ValueError
        For text that is not of the form name=value, and for settings that are not allowed or given twice.

    Examples
    --------
    >>> read_settings("policy", "depth=3, leaf=payoff", ["depth", "leaf"])
    {'depth': 3, 'leaf': 'payoff'}
    """
    out: dict[str, Any] = {}
    for part in [] if inside is None else _apart(inside):
        key, equals, value = (x.strip() for x in part.partition("="))
        if not equals or not value:
            raise ValueError(f"{what}: {shown(part.strip())} is not a setting; write name=value")
        if key not in allowed or key in out:
            fault = "is given twice" if key in out else "is not known"
            raise ValueError(f"{what}: setting {shown(key)} {fault}; allowed: {', '.join(allowed) or 'none'}")
        if value in _INFINITE:
            out[key] = float(value)
            continue
        try:
            out[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            out[key] = value
    return out


def write_name(name: str, settings: Mapping[str, object]) -> str:
    """Name with settings in brackets, in the form that ``split_name`` and ``read_settings`` parse.

    Examples
    --------
    >>> write_name("lookahead", {"depth": 3, "leaf": "payoff"}), write_name("kg", {})
    ('lookahead(depth=3, leaf=payoff)', 'kg')
    """
    inside = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"{name}({inside})" if inside else name


def nearest_name(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Known name most similar to a word, ignoring case and surrounding spaces.

    Parameters
    ----------
    word : str
    known : iterable of str
    cutoff : float
        Smallest similarity accepted, from 0 (any name) to 1 (equal names only).

    Returns
    -------
    str or None
        None if no known name is similar enough.

    Examples
    --------
    >>> nearest_name("Treshold", ["budget", "threshold"]), nearest_name("zebra", ["budget", "threshold"])
    ('threshold', None)
    """
    # The work grows with the lengths of both words and with the number of names.
    plain = {name.strip().lower()[:_MOST_LETTERS]: name for name in islice(known, _MOST_COMPARED)}
    near = difflib.get_close_matches(word.strip().lower()[:_MOST_LETTERS], plain, 1, cutoff)
    return plain[near[0]] if near else None


def meant_by(known: str, words: Iterable[str]) -> str | None:
    """First of some words that was probably written for a known name, such as a column's.

    Parameters
    ----------
    known : str
    words : iterable of str

    Returns
    -------
    str or None
        A word that is equal but for case and surrounding spaces, has two letters exchanged, or is very similar. For
        names of one or two letters only the first counts.

    Examples
    --------
    >>> meant_by("weight", ["height", "wieght"]), meant_by("cap", ["cat"]), meant_by("c", ["C"])
    ('wieght', None, 'C')
    """
    given = list(islice(words, _MOST_COMPARED))
    if len(known) < _FEWEST_LETTERS:
        return next((word for word in given if word.strip().lower() == known), None)
    swapped = next((word for word in given if _has_two_letters_exchanged(word.strip().lower(), known)), None)
    return swapped or nearest_name(known, given, cutoff=_NEAR)


def _has_two_letters_exchanged(word: str, known: str) -> bool:
    differ = [k for k, (x, y) in enumerate(zip(word, known, strict=False)) if x != y]
    return len(word) == len(known) and len(differ) == 2 and sorted(word) == sorted(known)


def unknown_name(message: str, name: object, known: Iterable[str]) -> str:
    """Message on an unknown name, with the known names and the most similar one.

    Parameters
    ----------
    message : str
        Template with ``{name}``, ``{known}`` (the list of known names) and ``{hint}`` (the most similar one).
    name : object
    known : iterable of str

    Returns
    -------
    str

    Examples
    --------
    >>> unknown_name("model is {name}; allowed: {known}{hint}", "drfit", ["drift", "grouped"])
    "model is 'drfit'; allowed: drift, grouped; did you mean 'drift'?"
    """
    names = list(known)
    near = nearest_name(name, names, cutoff=0.0) if isinstance(name, str) else None
    hint = f"; did you mean {shown(near)}?" if near is not None else ""
    for most in range(_MOST_NAMES, -1, -1):
        told = message.format(name=shown(name), known=listed(names, most, quoted=False), hint=hint)
        if len(told) <= LONGEST_FAULT:
            break
    return told


def unknown_key(key: str, allowed: Iterable[str], kind: str = "a key") -> str:
    """Message on a key that is not allowed, with the allowed ones and the most similar one.

    Examples
    --------
    >>> unknown_key("treshold", ["budget", "threshold"])
    'treshold is not a key; did you mean threshold? (allowed: budget, threshold)'
    """
    known = list(allowed)
    near = nearest_name(key, known)
    hint = f"; did you mean {named(near)}?" if near is not None else ""
    return f"{named(key)} is not {kind}{hint} (allowed: {listed(known, _MOST_NAMES, quoted=False)})"


def _apart(text: str) -> list[str]:
    """Parts of a text, split at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts if text.strip() else []
