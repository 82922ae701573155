"""A progress bar, for whoever asks for one."""

import sys
from contextlib import nullcontext


def bar(shown, total, unit, initial=0):
    """A context: a progress bar, or None where none is to be shown."""
    if not shown or sys.stderr is None:  # as under Windows' pythonw
        return nullcontext()
    from tqdm.auto import tqdm  # takes longer to import than a short run

    return tqdm(initial=initial, total=total, unit=unit)
