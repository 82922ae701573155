"""Ctrl-C during a run of compiled chunks: the first is noted, a second within a second raises."""

import math
import signal
import threading
import time


class Interrupts:
    """A context in which Ctrl-C sets `requested`, so that what was reached is not lost.

    Python's own handler would raise between any two bytecodes of the bookkeeping. Where the program has a
    handler of its own, or runs this in another than the main thread, nothing is changed.
    """

    _last_press = -math.inf  # of any run: the second press may come when the next one in a loop has begun

    def __enter__(self):
        self.requested = False
        self._installed = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self._installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception):
        if self._installed and signal.getsignal(signal.SIGINT) == self._note:  # a callback may have set its own
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number, frame):
        now = time.monotonic()
        if now - Interrupts._last_press < 1:
            Interrupts._last_press = -math.inf
            raise KeyboardInterrupt
        self.requested, Interrupts._last_press = True, now
