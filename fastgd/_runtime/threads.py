"""Pools of Python threads for kernels that release the GIL: no threading layer of Numba's is started or set.

A pool is made at its first use, and anew in the child of a fork, where the parent's threads do not exist.
"""

import _thread
import atexit
import ctypes
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait

from llvmlite import binding
from numba.core import types


def _system_call():
    """The system's function by which a thread lets others have its processor."""
    if sys.platform == "win32":
        return ctypes.windll.kernel32.SwitchToThread
    return ctypes.CDLL(None).sched_yield


binding.add_symbol("fastgd_give_way", ctypes.cast(_system_call(), ctypes.c_void_p).value)
give_way = types.ExternalFunction("fastgd_give_way", types.int32())  # in compiled code


class _Pool:
    """Threads that are made at the first use."""

    def __init__(self, name):
        self._name = name
        self._executor: ThreadPoolExecutor | None = None
        self._size = 0

    def submit(self, tasks):
        if not tasks:
            return []
        executor = self._executor  # another thread may put a larger one in its place
        if executor is None or len(tasks) > self._size:
            executor = ThreadPoolExecutor(len(tasks), self._name)
            self._executor, self._size = executor, len(tasks)
        try:
            return [executor.submit(task) for task in tasks]
        except RuntimeError:
            executor.shutdown()
            self.forget()
            raise

    def forget(self):
        self._executor, self._size = None, 0


_workers, _helpers = _Pool("fastgd"), _Pool("fastgd-helper")


def processors():
    """How many processors this process may use, as far as is known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable(threads):
    """At most as many threads as there are processors: more would only take turns."""
    return 1 if threads == 1 else min(threads, processors())


def run_all(tasks):
    """Call functions side by side, the first in this thread, and wait for all; raise what the first failed one did.

    Where there are no threads to be had, all are called in this one, some perhaps for a second time.
    """
    try:
        futures = _workers.submit(tasks[1:])
    except RuntimeError:  # the program is ending, or at its limit of threads
        for task in tasks:
            task()
        return
    try:
        tasks[0]()
    finally:
        wait(futures)
    for future in futures:
        future.result()


def call_for_help(task, count):
    """Call a function in so many other threads, and go on; return their futures, none where there are no threads.

    They are others than those of `run_all`, which waits for its own: who helps may stay for long.
    """
    try:
        return _helpers.submit([task] * count)
    except RuntimeError:
        return []


_under_way: set[object] = set()  # threads that `start_aside` has started


def start_aside(task):
    """Call a function in a thread of its own, and go on; return whether there is one to be had.

    What it raises is lost. No lock is held meanwhile that an exception from a signal's handler could leave closed, as
    those of `threading` and of the pools can be left: a program that is timed out in this way could not end then.
    """

    def run():
        me = object()
        _under_way.add(me)
        try:
            task()
        except Exception:
            pass
        finally:
            _under_way.discard(me)

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return False
    return True


@atexit.register
def _wait_for_those_under_way():
    """For a second at most: a thread that ends when the interpreter is gone may crash the process."""
    deadline = time.monotonic() + 1
    while _under_way and time.monotonic() < deadline:
        time.sleep(1e-3)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)
    os.register_at_fork(after_in_child=_workers.forget)
    os.register_at_fork(after_in_child=_helpers.forget)
