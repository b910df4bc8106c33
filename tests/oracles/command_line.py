"""Helpers of the tests of the command line: a command's outcome, and what lies in a folder."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from seqaudit.benchmarks.cli import main as cli
from seqaudit.posteriors.foundation.messages import printable


@dataclass(frozen=True)
class Outcome:
    """Exit status and what was printed."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    def table(self, column: str = "policy") -> list[dict[str, str]]:
        """Rows of the printed table whose first column has this name; columns stand at least two spaces apart."""
        lines = [line.strip() for line in self.out.splitlines()]
        first = next(k for k, line in enumerate(lines) if line.startswith(f"{column}  "))
        header, *rows = [re.split(r"\s{2,}", line) for line in lines[first:] if "  " in line]
        return [dict(zip(header, row, strict=False)) for row in rows]

    def assert_refused(self) -> str:
        """A line for each fault on standard error, nothing else; the first line without its beginning."""
        return self.faults()[0]

    def faults(self) -> list[str]:
        """Lines of a refusal without their beginning: printable, of bounded length and number."""
        assert (self.status, self.out) == (2, "")
        assert self.err.endswith("\n")
        lines = self.err.removesuffix("\n").split("\n")
        assert 1 <= len(lines) <= 11
        for line in lines:
            assert line.startswith("seqaudit: ")
            assert "Traceback" not in line
            assert len(line) <= len("seqaudit: ") + 300
            assert printable(line) == line
        return [line.removeprefix("seqaudit: ") for line in lines]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def caller(folder: Path, monkeypatch, capsys, **problems: str):
    """Function that runs a command in a folder that holds problems. Figures, tested elsewhere, are left empty."""
    monkeypatch.chdir(folder)
    for problem, text in problems.items():
        Path(f"{problem}.toml").write_text(text)
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: None)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        return Outcome(stop.value.code, *capsys.readouterr())

    return call
