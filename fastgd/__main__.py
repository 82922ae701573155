"""The command line: `fastgd`, or `python -m fastgd`."""

import argparse
import importlib
import os
import pkgutil
import re
import sys
import warnings

import fastgd
from fastgd import commands

_NEGATIVE_NUMBERS = re.compile(r"-[\d.][\d.,eE+\s-]*")


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: 0; 1 after a divergence, or where no rate is the best; 2 after an error of the user's, told in
        one line; 130 after Ctrl-C; 141 where nobody reads the output any more.

    Examples
    --------
    >>> from fastgd.__main__ import main
    >>> main(["derive", "--x", "2", "--w", "three"])  # "fastgd: error: ..." goes to stderr
    2
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # where it has no σ, rather \u03c3 than a failure
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            arguments = _unguarded(_parser(argv).parse_args([_guarded(argument) for argument in argv]))
            code = arguments.run(arguments)
            if sys.stdout is not None:  # closed
                sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at exit
            return 141
        except KeyboardInterrupt:
            print("fastgd: interrupted", file=sys.stderr)
            return 130
        except MemoryError as error:
            return _fail(f"there is not enough memory: {error}")
        except OSError as error:
            return _fail(f"{error.filename}: {error.strerror}" if error.filename else error)
        except (ValueError, TypeError) as error:
            return _fail(error)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message):
        """Raise an error for `main` to tell."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser(argv):
    """Make the parser, with the subcommand that is asked for, or with all of them for the help to list."""
    parser = _Parser(prog="fastgd", description="Train small models by gradient descent at the speed of the machine.")
    parser.add_argument("--version", action="version", version=f"fastgd {fastgd.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    modules = [found.name for found in pkgutil.iter_modules(commands.__path__) if not found.name.startswith("_")]
    names = {module.replace("_", "-"): module for module in modules}
    for name in [name for name in argv[:1] if name in names] or names:
        command = importlib.import_module(f"fastgd.commands.{names[name]}")
        summary = (command.__doc__ or "").partition("\n")[0]  # none under python -OO
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _guarded(argument):
    """Keep argparse from taking -1e-3 or -2,3 for an option, which it does not with a space in front."""
    return f" {argument}" if _NEGATIVE_NUMBERS.fullmatch(argument) else argument


def _unguarded(arguments):
    """Take the space away again where text was asked for."""
    for name, value in vars(arguments).items():
        if isinstance(value, str) and value.startswith(" ") and _NEGATIVE_NUMBERS.fullmatch(value[1:]):
            setattr(arguments, name, value[1:])
    return arguments


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"fastgd: warning: {_one_line(message)}", file=sys.stderr)


def _fail(error):
    print(f"fastgd: error: {_one_line(error)}", file=sys.stderr)
    return 2


def _one_line(message):
    return " ".join(str(message).split())


if __name__ == "__main__":
    sys.exit(main())
