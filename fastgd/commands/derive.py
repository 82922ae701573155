"""Show backpropagation by hand: one sigmoid neuron under squared error."""

from fastgd._check import finite
from fastgd.commands._arguments import number, numbers
from fastgd.derivation import derive


def add_arguments(parser):
    """Declare the neuron's values, by default those of `fastgd.derive`."""
    several = {"nargs": "+", "type": numbers, "metavar": "NUMBER"}
    parser.add_argument("--x", default=[[2.0]], help="the input, or several (default: 2)", **several)
    parser.add_argument("--w", default=[[3.0]], help="the weight, or as many as inputs (default: 3)", **several)
    one = {"type": number(finite), "metavar": "NUMBER"}
    parser.add_argument("--b", default=1.0, help="the bias (default: 1)", **one)
    parser.add_argument("--y", default=1.0, help="the target (default: 1)", **one)


def run(arguments):
    """Print the derivation."""
    print(derive(_number_or_vector(arguments.x), _number_or_vector(arguments.w), arguments.b, arguments.y))
    return 0


def _number_or_vector(groups):
    every = [number for group in groups for number in group]
    return every[0] if len(every) == 1 else every
