"""A pool of Python threads for kernels that release the GIL: no threading layer of Numba's is started or set.

The pool is made at its first use, and anew in the child of a fork, where the parent's threads do not exist.
"""

import os
from concurrent.futures import ThreadPoolExecutor

_pool = None
_size = 0


def run_all(tasks):
    """Call functions side by side, the first in this thread, and wait for all; raise what the first failed one did."""
    global _pool, _size
    others = len(tasks) - 1
    if others > _size:
        _pool, _size = ThreadPoolExecutor(others, "fastgd"), others
    futures = [_pool.submit(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        for future in futures:
            future.result()


def _forget():
    global _pool, _size
    _pool, _size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
