"""Bayesian sequential design for scarce human labels.

>>> import seqaudit as sa
>>> problem = sa.Problem(threshold=[0.55, 0.41, 0.32], budget=12)
>>> best = sa.solve(problem)
>>> mine = sa.evaluate(problem, sa.VarianceReduction())
>>> round((mine.value - best.prior_value) / (best.value - best.prior_value), 3)
0.993

The floors are loaded when the first of their names is used, from the lowest up: whoever only solves problems never
waits for the studies.
"""

import os
from importlib import import_module
from sys import modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bandits import *  # noqa: F403
    from .benchmarks import *  # noqa: F403
    from .dp import *  # noqa: F403
    from .posteriors import *  # noqa: F403
else:
    # Type checkers read the names above; to them, a ``__getattr__`` would make every name right.
    _FLOORS = ("posteriors", "dp", "bandits", "benchmarks")

    def _keep_compiled():
        """Have Numba keep compiled code in a temporary folder, or nowhere, if it can write where it usually does not.

        It refuses to compile otherwise. This comes before any kernel is imported.
        """
        here = __file__.rpartition(os.sep)[0]
        own = [f"{here}/{floor}/kernels/__pycache__" for floor in _FLOORS[:3]]
        given = os.environ.get("NUMBA_CACHE_DIR")
        if os.name == "posix" and not given and all(os.path.isdir(x) and os.access(x, os.W_OK) for x in own):  # noqa: PTH112
            return
        import tempfile
        from pathlib import Path

        def usable(folder):
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
            except OSError:
                return False
            return True

        if (given and usable(given)) or all(map(usable, own)):
            return
        from numba import config
        from numba.misc.appdirs import AppDirs

        if usable(AppDirs("numba", appauthor=False).user_cache_dir):
            return
        place = _private_folder()
        if place is None:
            from numba.core.dispatcher import Dispatcher

            Dispatcher.enable_caching = lambda _: None
        else:
            # Worker processes are to find it too. PyTensor keeps compiled code in the user's home.
            os.environ["NUMBA_CACHE_DIR"] = place
            config.reload_config()
            flags = os.environ.get("PYTENSOR_FLAGS")
            if "base_compiledir" not in (flags or ""):
                os.environ["PYTENSOR_FLAGS"] = f"{flags + ',' if flags else ''}base_compiledir={place}/pytensor"
        import logging

        where = "is not kept" if place is None else f"is kept in {place}"
        logging.getLogger(__name__).warning(
            "note: compiled code %s: the usual folders cannot be written; NUMBA_CACHE_DIR names another", where
        )

    def _private_folder():
        """Temporary folder that nobody else can write to, the same one in every process of a user if possible."""
        import atexit
        import shutil
        import stat
        import tempfile
        from pathlib import Path

        try:
            user = os.getuid() if hasattr(os, "getuid") else "user"
            place = Path(tempfile.gettempdir(), f"seqaudit-{user}")
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = place.lstat()
            if os.name == "posix" and (
                not stat.S_ISDIR(found.st_mode) or found.st_uid != user or stat.S_IMODE(found.st_mode) & 0o077
            ):
                # Somebody else may have put code there.
                place = tempfile.mkdtemp(prefix="seqaudit-")
                atexit.register(shutil.rmtree, place, ignore_errors=True)
        except OSError:
            return None
        return str(place)

    def _floor(name):
        floor = import_module(f".{name}", __name__)
        if name == "dp" and f"{__name__}.bandits" not in modules:
            # A name of a policy loads the floor of policies, which then reads all further names itself.
            floor.evaluation.named.read_names_by(lambda policy: _floor("bandits").make_policy(policy))
        return floor

    def __getattr__(name):
        if name == "__all__":
            return [public for floor in _FLOORS for public in _floor(floor).__all__]
        if name in _FLOORS:
            return _floor(name)
        if not name.startswith("_"):
            for floor in _FLOORS:
                if name in _floor(floor).__all__:
                    globals()[name] = getattr(_floor(floor), name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__getattr__("__all__")})

    _keep_compiled()
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        import warnings

        # Kernels count on whole numbers that wrap around.
        warnings.filterwarnings("ignore", "overflow encountered in scalar", RuntimeWarning, r"seqaudit\..*kernels\.")
