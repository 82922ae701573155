"""A pool of Python threads for kernels that release the GIL: no threading layer of Numba's is started or set.

The pool is made at its first use, and anew in the child of a fork, where the parent's threads do not exist.
"""

import os
from concurrent.futures import ThreadPoolExecutor, wait

_pool: ThreadPoolExecutor | None = None
_size = 0


def usable(threads):
    """At most as many threads as there are processors: more would only take turns."""
    return 1 if threads == 1 else min(threads, os.cpu_count() or 1)


def run_all(tasks):
    """Call functions side by side, the first in this thread, and wait for all; raise what the first failed one did.

    Where there are no threads to be had, all are called in this one, some perhaps for a second time.
    """
    try:
        futures = _submit(tasks[1:])
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


def _submit(tasks):
    global _pool, _size
    if not tasks:
        return []
    pool = _pool  # another thread may put a larger one in its place
    if pool is None or len(tasks) > _size:
        pool = ThreadPoolExecutor(len(tasks), "fastgd")
        _pool, _size = pool, len(tasks)
    try:
        return [pool.submit(task) for task in tasks]
    except RuntimeError:
        pool.shutdown()
        _forget()
        raise


def _forget():
    global _pool, _size
    _pool, _size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
