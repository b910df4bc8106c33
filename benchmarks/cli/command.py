"""Common part of all commands: help that lists names of policies, models and utilities, and pairs with a comma."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import typer.core

from ...bandits.registry import POLICIES
from ...posteriors.foundation.names import Registry
from ...posteriors.foundation.refusals import is_number, refused
from ...posteriors.raters.registry import RATER_MODELS
from ...posteriors.utilities import UTILITIES

__all__ = ["Command"]

# Names that can be given to an option.
_LISTED: dict[str, tuple[str, Registry[Any]]] = {
    "--policy": ("Policies", POLICIES),
    "--model": ("Models of raters", RATER_MODELS),
    "--utility": ("Utilities", UTILITIES),
}
# Options that have no effect where another one has this value.
_IDLE: dict[tuple[str, object], tuple[str, ...]] = {
    ("method", "fast"): ("tune", "chains", "target_accept", "thin"),
    ("model", "none"): ("draws", "tune", "target_accept"),
    ("nuts", False): ("tune", "target_accept"),
    ("items", None): ("strict",),
    ("exact", True): ("replications", "seed"),
}


class Command(typer.core.TyperCommand):
    """A command whose help lists the names that its options take, and whose pairs may be written ``1,1`` or ``1 1``."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write lists of names below the options; they include those that other packages register."""
        for option in self.params:
            for word in option.opts:
                if word in _LISTED:
                    title, registry = _LISTED[word]
                    names, margin = ", ".join(registry.known()), " " * 2
                    # The formatter itself would break names at their hyphens.
                    lines = textwrap.wrap(names, formatter.width - len(margin), break_on_hyphens=False)
                    formatter.write(f"\n{title}:\n" + "".join(f"{margin}{line}\n" for line in lines))
        super().format_epilog(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, in which values of one option may be separated by commas."""
        try:
            words = self._apart(args)
            self._require_once(ctx, words)
            rest = super().parse_args(ctx, list(words))
            _require_effect(ctx)
            for option in self.params:
                if _is_numeric(ctx.params.get(option.name)):
                    _require_plain_digits(option, words)
        except BaseException:
            # What options have set up, such as where output goes, ends here too.
            ctx.close()
            raise
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its run folder is complete when it ends, however it ends."""
        from ..runner.store import stores_closed

        with stores_closed():
            return super().invoke(ctx)

    def _apart(self, args: Sequence[str]) -> list[str]:
        """Arguments with values that belong to one option, and are separated by commas, taken apart."""
        several = {word: option for option in self.params if option.nargs > 1 for word in option.opts}
        out: list[str] = []
        for k, word in enumerate(args):
            name, equals, value = word.partition("=")
            if equals and name in several:
                out += [name, *_parts(value, several[name])]
            else:
                pair = several.get(out[-1]) if out else None
                if pair is not None and "," not in word and sum(map(is_number, args[k : k + pair.nargs])) < pair.nargs:
                    raise refused(pair.opts[0], word, f"be of the form {pair.metavar}")
                out += [word] if pair is None else _parts(word, pair)
        return out

    def _require_once(self, ctx: Any, words: Sequence[str]) -> None:
        """Raise for an option that is given twice and takes one value: the first would be forgotten in silence."""
        given = self.make_parser(ctx).parse_args(list(words))[2]
        for option in given:
            if not isinstance(option, typer.core.TyperOption) or option.multiple:
                continue
            if (not option.is_flag or option.secondary_opts) and given.count(option) > 1:
                either = [option.opts[0], *option.secondary_opts[:1]]
                if len(either) > 1 and {*either} <= {*words}:
                    raise ValueError(f"{' and '.join(either)} contradict each other; allowed: one of them, once")
                raise ValueError(f"{option.opts[0]} is given {given.count(option)} times; allowed: once")


def _require_effect(ctx: Any) -> None:
    """Raise for an option on the command line that has no effect beside another one."""
    if ctx.params.get("cluster") is not None and _is_given(ctx, "jobs"):
        raise ValueError("--jobs has no effect with --cluster; leave it out")
    for (key, value), idle in _IDLE.items():
        if key in ctx.params and ctx.params[key] == value:
            for option in ctx.command.params:
                if option.name in idle and _is_given(ctx, option.name):
                    stated = f" {value}" if isinstance(value, str) else ""
                    beside = f"{'with' if value else 'without'} --{key}{stated}"
                    raise ValueError(f"{option.opts[0]} has no effect {beside}; leave it out")


def _is_given(ctx: Any, option: str) -> bool:
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _is_numeric(value: Any) -> bool:
    values = value if isinstance(value, (tuple, list)) and value else [value]
    return all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values)


def _require_plain_digits(option: Any, words: Sequence[str]) -> None:
    """Raise for the text of a number that only Python takes for one, such as ``1_0``."""
    for k, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in option.opts:
            for text in [value] if equals else words[k + 1 : k + 1 + option.nargs]:
                if not is_number(text):
                    raise refused(option.opts[0], text, "be a number in plain digits")


def _parts(text: str, option: Any) -> list[str]:
    if "," not in text:
        return [text]
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != option.nargs:
        raise refused(option.opts[0], text, f"be of the form {option.metavar}")
    return parts
