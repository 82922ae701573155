"""Ctrl-C during a run of compiled chunks: the first is noted, a second within a second raises."""

import signal
import threading
import time


class Interrupts:
    """A context in which Ctrl-C sets `requested`, so that what was reached is not lost.

    Python's own handler would raise between any two bytecodes of the bookkeeping. Where the program has a
    handler of its own, or runs this in another than the main thread, nothing is changed. A run in the callback of
    another tells that one too.
    """

    def __enter__(self):
        self.requested = False
        self._time = -1.0
        self._before = signal.getsignal(signal.SIGINT)
        outer = getattr(self._before, "__self__", None)
        self._outer = outer if isinstance(outer, Interrupts) else None
        self._installed = threading.current_thread() is threading.main_thread() and (
            self._before is signal.default_int_handler or self._outer is not None
        )
        if self._installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception):
        if self._installed and signal.getsignal(signal.SIGINT) == self._note:  # a callback may have set its own
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number, frame):
        now = time.monotonic()
        if self.requested and now - self._time < 1:
            raise KeyboardInterrupt
        self.requested, self._time = True, now
        if self._outer is not None:
            self._outer._note(number, frame)
