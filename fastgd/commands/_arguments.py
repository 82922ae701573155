"""Arguments that several subcommands read or check."""

import argparse
import contextlib
import os

from fastgd._check import Range


def numbers(text):
    """Read numbers that are separated by commas or spaces."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers separated by commas or spaces, got {text!r}") from None


def integer(least):
    """Make the reader of an integer, `least` or larger."""
    return _reader(_int64, Range(f"an integer, {least} or larger", lambda value: value >= least))


def number(within):
    """Make the reader of a number in a range."""
    return _reader(float, within)


def _int64(text):
    value = int(text)
    if value >= 1 << 63:
        raise argparse.ArgumentTypeError(f"must be below 2^63, got {text}")
    return value


def _reader(kind, within):
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not within.contains(value):
            raise argparse.ArgumentTypeError(f"must be {within.words}, got {text}")
        return value

    return read


def check_writable(option, path, *suffixes, inputs=()):
    """Raise, before the work, if no file of such a name can be made at this path, or one that is read stands there."""
    if not os.path.basename(path):
        raise ValueError(f"{option}: a file name is expected, got {path!r}")
    folder = os.path.dirname(path) or "."
    if suffixes and not path.lower().endswith(suffixes):
        raise ValueError(f"{option}: a name that ends in {suffixes[0]} is expected, got {path!r}")
    if not os.path.isdir(folder):
        raise ValueError(f"{option}: there is no folder {folder!r}")
    if os.path.isdir(path):
        raise ValueError(f"{option}: {path!r} is a folder; a file name is expected")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ValueError(f"{option}: {path!r} cannot be written")
    if os.path.exists(path) and any(os.path.exists(read) and os.path.samefile(path, read) for read in inputs):
        raise ValueError(f"{option}: {path!r} is read from, and would be lost")


@contextlib.contextmanager
def writing_to(path):
    """Let errors of writing, such as that of a full disk, name the file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, path) from None
        raise
