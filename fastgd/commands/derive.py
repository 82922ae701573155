"""Show backpropagation by hand: one sigmoid neuron under squared error."""

import argparse

from fastgd.derivation import derive


def add_arguments(parser):
    """Declare the neuron's values, by default those of `fastgd.derive`."""
    several = {"nargs": "+", "type": _numbers, "metavar": "NUMBER"}
    parser.add_argument("--x", default=[[2.0]], help="the input, or several (default: 2)", **several)
    parser.add_argument("--w", default=[[3.0]], help="the weight, or as many as inputs (default: 3)", **several)
    parser.add_argument("--b", default=1.0, type=float, metavar="NUMBER", help="the bias (default: 1)")
    parser.add_argument("--y", default=1.0, type=float, metavar="NUMBER", help="the target (default: 1)")


def run(arguments):
    """Print the derivation."""
    print(derive(_number_or_vector(arguments.x), _number_or_vector(arguments.w), arguments.b, arguments.y))
    return 0


def _numbers(text):
    """Read numbers that are separated by commas or spaces."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers separated by commas or spaces, got {text!r}") from None


def _number_or_vector(groups):
    numbers = [number for group in groups for number in group]
    return numbers[0] if len(numbers) == 1 else numbers
