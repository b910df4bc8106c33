"""The optimal policy as an object: every optimal item in every live state, one bit for each item.

A policy is kept in layers. A state's row holds the N bits of its items in ceil(N / 8) bytes. The place of a row follows
from the lattice and the live ranges, which are kept too. Large policies are stored in a temporary memory-mapped file,
which is unlinked as soon as it is made, so that nothing is left behind however the process ends.

A saved policy is a folder of files in open formats:

    policy.json     format, version, the problem, its value, the epochs of the ranges, checksums of all files
    ranges.npy      live ranges, int64, shape (2, N, width, width)
    actions.npy     one row of bytes for each state, layer after layer, uint8, shape (states, ceil(N / 8))

Both arrays are in NumPy's file format. When a policy is loaded, ``actions.npy`` is memory-mapped: it is read once,
piece by piece, for its checksum, and does not stay in memory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...posteriors.foundation.arrays import Bools, Bytes, Ints
from ...posteriors.foundation.memory import fits
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.refusals import file_path, number
from ...posteriors.utilities import Custom
from ..kernels import live as _kernels
from ..machine.files import write_new_folder, write_whole
from ..machine.reading import read_json
from ..machine.seal import seal_is_whole, sealed
from ..problem.checks import ProblemError
from ..problem.digest import is_digest_of
from ..problem.given_states import state_arrays
from ..problem.problem import Problem
from ..problem.toml import require_registered
from .lattice import Lattice, Layer
from .live import LiveLattice, Ranges

__all__ = ["KeptPolicy", "layers_of", "policy_bytes", "read_policy", "room_for", "write_policy"]


# Version 1 knew no stopping: its policies spend the budget.
FORMAT, VERSION = "seqaudit policy", 2
_KEYS = ("problem", "digest", "reach", "value", "prior_value", "seconds", "bytes", "sha256")
_ARRAYS = ("ranges.npy", "actions.npy")
# A policy that takes more than this share of the memory available goes to a file.
_SHARE = 0.25


def policy_bytes(live: LiveLattice) -> int:
    """Size of a policy in bytes."""
    return -(-len(live.lattice.cap) // 8) * (live.states - live.layer_states[-1])


def room_for(live: LiveLattice) -> Bytes:
    """Rows for every state with a choice: in memory, or in a file that disappears with the process."""
    width = -(-len(live.lattice.cap) // 8)
    shape = (live.states - live.layer_states[-1], width)
    if fits(policy_bytes(live), _SHARE):
        return np.zeros(shape, dtype=np.uint8)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if policy_bytes(live) > free:
        raise ValueError(
            f"keeping the policy takes {policy_bytes(live):.3g} bytes, {tempfile.gettempdir()} has {free:.3g} free; "
            "set TMPDIR to a larger disk, or solve without keep_policy"
        )
    with tempfile.TemporaryFile(prefix="seqaudit-policy-") as file:
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)


def layers_of(actions: Bytes, live: LiveLattice) -> list[Bytes]:
    """Rows of each layer, except the last, where nothing is left to choose."""
    starts = np.concatenate([[0], np.cumsum(live.layer_states[:-1])]).astype(np.int64)
    return [actions[a:b] for a, b in pairwise(starts)]


@dataclass(frozen=True, eq=False)
class KeptPolicy:
    """Optimal items of every state.

    A row of ``actions`` belongs to a live state and has a bit for each item; rows are in order of layers.

    Attributes
    ----------
    problem : Problem
    live : LiveLattice
    actions : ndarray of uint8, shape (states, ceil(N / 8))
    """

    problem: Problem
    live: LiveLattice
    actions: Bytes

    @cached_property
    def _rows(self) -> list[Bytes]:
        return layers_of(self.actions, self.live)

    @cached_property
    def _layers(self) -> dict[int, tuple[Layer, Ints]]:
        return {}

    def acceptable(self, counts: Ints, wins: Ints) -> Bools:
        """Mask of the optimal items, (S, N), in states (counts, wins) of equal numbers of labels.

        A row without any item is a state that no policy can reach, or in which no label is available.
        """
        counts, wins = state_arrays(self.problem, counts, wins)
        m = int(counts[:1].sum())
        if not (counts.sum(axis=1) == m).all():
            raise ValueError("counts are of states with different numbers of labels; one call takes equal numbers")
        items = counts.shape[1]
        out = np.zeros(counts.shape, dtype=bool)
        if m >= self.live.lattice.depth:
            return out
        if m not in self._layers:
            made = self.live.lattice.layer(m)
            self._layers[m] = made, self.live.begins(made, self.live.reach[m])
        layer, begin = self._layers[m]
        slot = self.live.lattice.slots_of(counts)
        block = np.searchsorted(layer.slot, slot)
        known = (slot >= 0) & (block < len(layer.slot))
        known[known] = layer.slot[block[known]] == slot[known]
        rows = np.flatnonzero(known)
        if not rows.size:
            return out
        at = np.empty(len(rows), dtype=np.int64)
        n, w = (np.ascontiguousarray(x[rows], dtype=np.int64) for x in (counts, wins))
        axes = self.live.axes(self.live.reach[m])
        _kernels.places(block[rows], n, w, begin, axes.first, axes.size, at)
        bits = np.unpackbits(self._rows[m][at], axis=1, count=items, bitorder="little")
        out[rows] = bits.astype(bool)
        return out


def write_policy(policy: KeptPolicy, path: str | Path, about: dict[str, Any]) -> None:
    """Write a policy folder, whole or not at all."""
    problem = None
    # Utilities and beliefs of other classes cannot be read again; who loads the policy has the problem.
    with suppress(ProblemError):
        if not isinstance(policy.problem.utility, Custom):
            require_registered(policy.problem)
            problem = policy.problem.as_dict()
    ranges = np.stack([policy.live.ranges.low, policy.live.ranges.high])
    text = {"format": FORMAT, "version": VERSION, "problem": problem, "digest": policy.problem.digest(), **about}
    text["reach"] = policy.live.reach

    def fill(folder: Path) -> None:
        arrays: tuple[NDArray[Any], ...] = (ranges, policy.actions)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / name, array)
        about_files = {"sha256": {name: _file_digest(folder / name) for name in _ARRAYS}}
        write_whole(folder / "policy.json", json.dumps(sealed(text | about_files), indent=1) + "\n")

    write_new_folder(path, fill)


def read_policy(path: str | Path, problem: Problem | None = None) -> tuple[KeptPolicy, dict[str, Any]]:
    """Policy of a folder, and the facts saved about its solution: value, prior_value, seconds, bytes.

    ``problem`` must be the folder's problem, and is needed if its utility is a callable, or not registered, or a
    belief is not.
    """
    path = file_path("path", path)
    try:
        text = read_json(path / "policy.json")
    except OSError as error:
        raise ValueError(f"{path}: not a policy folder: {error.strerror or error} (policy.json)") from None
    except ValueError as error:
        raise ValueError(f"{path}: damaged policy folder: policy.json: {error}") from None
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise ValueError(f"{path}: not a policy folder of seqaudit")
    version = text.get("version")
    if isinstance(version, bool) or version not in (1, VERSION):
        raise ValueError(f"{path}: policy of version {shown(version)}; this release reads 1 and {VERSION}: solve again")
    # The first version has no checksum of the description.
    if version == VERSION and not seal_is_whole(text):
        raise ValueError(f"{path}: damaged policy folder: policy.json differs from the checksum in it")
    missing = [key for key in _KEYS if key not in text]
    if missing or not isinstance(text["sha256"], dict):
        raise ValueError(f"{path}: damaged policy folder: policy.json has no {shown((missing or ['sha256'])[0])}")
    if problem is None:
        if text["problem"] is None:
            raise ValueError(
                f"{path}: policy under a callable utility, or classes that are not registered; give its problem: "
                "load_policy(path, problem)"
            )
        problem = Problem.from_dict(text["problem"])
    if version == 1 and isinstance(problem.utility, Custom):
        raise ValueError(f"{path}: version 1 does not tell one callable utility from another: solve again")
    if not is_digest_of(problem, text["digest"], version):
        raise ValueError(f"{path}: policy of another problem (digest {str(text['digest'])[:12]}...)")
    ranges, actions = (_read_array(path, name, text["sha256"].get(name), version) for name in _ARRAYS)
    live = LiveLattice(Lattice.of(problem), Ranges(*np.ascontiguousarray(ranges)), text["reach"])
    try:
        about = {key: number(key, text[key], np.isfinite, "finite") for key in ("value", "prior_value", "seconds")}
    except ValueError as error:
        raise ValueError(f"{path}: damaged policy folder: policy.json: {error}") from None
    return KeptPolicy(problem, live, actions), about | {"bytes": int(text["bytes"])}


def _read_array(path: Path, name: str, recorded: Any, version: int) -> NDArray[Any]:
    """Memory-mapped array of a policy folder; its checksum must be the one recorded."""
    try:
        # The file is checked before NumPy evaluates what stands in its header.
        if version == VERSION and _file_digest(path / name) != recorded:
            raise ValueError(f"the checksum of {name} differs from the one recorded")
        array: NDArray[Any] = np.load(path / name, mmap_mode="r", allow_pickle=False)
        if version == 1 and _first_checksum(array) != recorded:
            raise ValueError(f"the checksum of {name} differs from the one recorded")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: damaged policy folder: {error}") from None
    return array


def _file_digest(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_checksum(array: NDArray[Any]) -> str:
    """Checksum of an array as the first version has it."""
    found = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    flat = array.reshape(-1)
    step = 1 << 26
    for k in range(0, len(flat), step):
        found.update(np.ascontiguousarray(flat[k : k + step]).tobytes())
    return found.hexdigest()
