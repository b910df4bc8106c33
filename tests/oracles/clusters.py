"""A Dask cluster of this machine: a scheduler and workers as processes of their own, on free ports of the loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


class LocalCluster:
    """Scheduler, and workers that can be killed; they have another working folder than the tests.

    All of them end by themselves where the tests are killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        told = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--idle-timeout", "300", "--scheduler-file", told
        )
        self.address = ""
        while not self.address:
            assert self.scheduler.poll() is None
            time.sleep(0.02)
            text = told.read_text() if told.exists() else ""
            if text.rstrip().endswith("}"):
                self.address = text.split('"address": "')[1].split('"')[0]

    def _start(self, kind: str, *words: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words), "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, **quiet)

    def add(self, host: str = "127.0.0.1") -> None:
        """Start one more worker, which is there some seconds later."""
        words = ("--host", host, "--nthreads", 1, "--no-nanny", "--death-timeout", 60, "--local-directory", self.folder)
        self.workers.append(self._start("worker", self.address, *words))

    def ready(self, count: int) -> None:
        """Have so many workers that live, and wait until they are there."""
        from distributed import Client

        self.workers = [worker for worker in self.workers if worker.poll() is None]
        for _ in range(count - len(self.workers)):
            self.add()
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def kill(self, count: int) -> None:
        """Kill so many of the workers, as for lack of memory."""
        for worker in self.workers[:count]:
            worker.kill()
            worker.wait()

    def close(self) -> None:
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()
