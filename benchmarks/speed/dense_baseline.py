"""Dense backward sweep in C, ``dense_baseline.c``, compiled on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ...dp.problem.problem import Problem

__all__ = ["Baseline", "compiled_baseline"]

Row = dict[str, Any]

_SOURCE = "dense_baseline.c"
_FLAGS = (
    ("-O3", "-march=native", "-fno-math-errno", "-fopenmp"),
    ("-O3", "-march=native", "-fno-math-errno"),
    ("-O3", "-fno-math-errno"),
)


@dataclass(frozen=True)
class Baseline:
    """Compiled baseline program.

    It reads its tables from a file next to ``program``, so it solves one problem at a time.

    Attributes
    ----------
    program : Path
    compiler : str
        Name and version that the compiler reports.
    flags : tuple of str
    """

    program: Path
    compiler: str
    flags: tuple[str, ...]

    @property
    def parallel(self) -> bool:
        """True if it was compiled for more than one thread."""
        return "-fopenmp" in self.flags

    def solve(self, problem: Problem, threads: int) -> Row:
        """Solve a problem with unit costs and no caps, quotas, batches or rewards.

        Returns
        -------
        dict
            ``value``, ``states``, ``seconds``, ``peak_bytes`` and ``threads``.
        """
        mean, payoff = [], []
        for i in range(problem.size):
            chance, tail, _ = problem.tables(i)
            mean.append(chance)
            payoff.append(problem.weight[i] * problem.utility(tail))
        tables = self.program.with_name("tables")
        with tables.open("wb") as file:
            for part in (np.array([problem.size, problem.labels], dtype=np.int64), *mean, *payoff):
                file.write(np.ascontiguousarray(part).tobytes())
        # Threads that wait in a loop would take processor time from working threads if the machine is shared.
        done = subprocess.run(
            [self.program, tables],
            env={"OMP_WAIT_POLICY": "passive"} | os.environ | {"OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        value, states, seconds, peak, used = done.stdout.split()
        return {
            "value": float(value),
            "states": int(states),
            "seconds": float(seconds),
            "peak_bytes": 1024 * int(peak),
            "threads": int(used),
        }


@contextmanager
def compiled_baseline() -> Iterator[tuple[Baseline | None, list[str]]]:
    """Compile the baseline in a temporary folder; yield it, or None if that fails, and remarks.

    The compiler is the first available one of ``$CC``, cc, gcc and clang.
    """
    candidates = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    command = next((words for words in candidates if words and shutil.which(words[0])), None)
    if command is None:
        yield None, ["no C compiler found: the baseline column is skipped"]
        return
    with tempfile.TemporaryDirectory(prefix="seqaudit-speed-") as folder:
        program, source = Path(folder, "dense_baseline"), Path(folder, _SOURCE)
        source.write_bytes((files("seqaudit.benchmarks.speed") / _SOURCE).read_bytes())
        for flags in _FLAGS:
            tried = _run(*command, *flags, "-o", str(program), str(source))
            if tried.returncode == 0:
                compiler = (_run(*command, "--version").stdout.splitlines() or command)[0]
                baseline = Baseline(program, compiler, flags)
                yield baseline, [] if baseline.parallel else ["no OpenMP: what is compared runs on one thread"]
                return
        complaint = next((line for line in tried.stderr.splitlines() if "error" in line), "no reason given")
        yield None, [f"{command[0]} cannot compile {_SOURCE}, {complaint.strip()}: the baseline column is skipped"]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
