"""What several test files share."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fastgd
from fastgd import many
from fastgd.__main__ import main
from fastgd._descent import run as _descent_run
from fastgd._runtime import pace as _pace
from fastgd._runtime.clock import Clock
from fastgd._training import run as _run
from fastgd._training import setup as _setup

PACKAGE = Path(fastgd.__file__).parent
TESTS = Path(__file__).parent


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """A cache folder that starts empty, for processes of their own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def python(cache_dir):
    """Run Python in a process of its own, with warnings as errors, and return what it wrote."""

    def run(*arguments, path=(PACKAGE.parent, TESTS), cache=cache_dir, warnings="error", timeout=300, **options):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NUMBA"))}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # Python's own cache cannot tell two edits within a second
        environment["PYTHONWARNINGS"] = warnings
        if cache is not None:
            environment["NUMBA_CACHE_DIR"] = str(cache)
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """Python's own handler of Ctrl-C, during a test and after it: a job in the background of a shell has none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


@pytest.fixture
def press():
    """Press Ctrl-C in a third of a second; what comes back tells how long ago that was."""
    presses = []

    def press():
        def now():
            pressed.append(time.perf_counter())
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        pressed = []
        presses.append(threading.Timer(0.3, now))
        presses[-1].start()
        return lambda: time.perf_counter() - pressed[0]

    yield press
    for timer in presses:
        timer.join()


@pytest.fixture
def chunks_of(monkeypatch):
    """Let a chunk of minimisation be so many evaluations, as where no thread keeps time."""

    def chunks_of(n):
        monkeypatch.setattr(Clock, "start", lambda clock: None)
        monkeypatch.setattr(_descent_run, "UNCLOCKED", n)
        monkeypatch.setattr(many, "UNCLOCKED", n)

    return chunks_of


@pytest.fixture
def run(capsys):
    def run(*arguments):
        """Return the exit code, standard output, standard error."""
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def spawn():
    """Start the command line in processes of its own, which end with the test."""
    processes = []

    def spawn(*arguments, **options):
        command = [sys.executable, "-m", "fastgd", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if os.name == "posix":  # what runs in a shell's background has been told to ignore Ctrl-C
            options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        processes.append(subprocess.Popen(command, **pipes, text=True, encoding="utf-8", **options))
        return processes[-1]

    yield spawn
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def shared_from_the_start(monkeypatch):
    """Let threads share small vectors in small pieces, and more of them than there are processors."""
    monkeypatch.setattr(fastgd.updates, "_THREAD_BYTES", 1)
    monkeypatch.setattr(fastgd.updates, "_PIECE_BYTES", 1)
    monkeypatch.setattr(fastgd.updates, "usable", lambda threads: threads)


@pytest.fixture
def small_chunks(monkeypatch):
    """Compiled code hands back after every step, or in the middle of one, after every block of rows."""
    monkeypatch.setattr(_pace, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(_run, "_FIRST_WORK", 1)


@pytest.fixture
def small_windows(monkeypatch):
    """What "block-shuffled" keeps together and shuffles as one is small beside a test's table."""
    monkeypatch.setattr(_setup, "_NEIGHBOUR_BYTES", 160)
    monkeypatch.setattr(_setup, "_WINDOW_BYTES", 1280)
