"""Ticks that compiled code sees, so that it ends a chunk after some time, however many steps it has done."""

import threading

import numpy as np

from fastgd._runtime.pace import CHUNK_SECONDS


class Clock:
    """A context in which a number in memory, `ticks[0]`, is raised every 40 ms by a thread, once it is started.

    How many steps of a user's objective fit into a chunk cannot be told from those before: a simulation may take
    a thousand times as long for other parameters.
    """

    def __init__(self):
        self.ticks = np.zeros(1, np.int64)
        self.runs = False
        self._over = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._over.set()
        if self.runs:
            self._thread.join()  # a fork may follow, which warns of other threads

    def start(self):
        """Begin to tick, if that can be (some 50 µs); `runs` tells."""
        self._thread = threading.Thread(target=self._tick, name="fastgd-clock", daemon=True)
        try:
            self._thread.start()
            self.runs = True
        except RuntimeError:  # no thread is to be had
            pass

    def _tick(self):
        while not self._over.wait(CHUNK_SECONDS):
            self.ticks[0] += 1
