"""`update`: one step of an optimiser; from Python with its arguments checked, and on several threads if asked for."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.typeof import typeof
from numba.extending import intrinsic

from fastgd import _check
from fastgd._arrays.pieces import copy_uncut, count_one, piece_of, share, shared
from fastgd._arrays.views import borrowed_slice, leaves
from fastgd._calls.compiled_checks import require_array, require_state, require_vector
from fastgd._calls.dispatch import in_compiled_code, kernels_in_compiled_code
from fastgd._calls.states import is_elementwise, require_fitting
from fastgd._check import is_masked
from fastgd._compile.reachable_code import described
from fastgd._jit import kernel
from fastgd._registry import OptimizerKernels
from fastgd._runtime.team import DISMISSED, FAILED, FINISHED, LEADS, NEXT, NONE_LEFT, PIECE, Team, team_of
from fastgd._runtime.threads import usable
from fastgd._types import Rule

_THREAD_BYTES = 1 << 20  # of parameters to a thread, at least
_PIECE_BYTES = 1 << 16  # of parameters in what a thread takes at a time
_RANGE = 1 << 10  # pieces begin at multiples of so many parameters: no cache line has two owners
_PATIENCE = 1 << 16  # looks at the board before a helper goes home, some 100 µs


def update(
    optimizer: Rule,
    lr: float,
    grads: np.ndarray,
    state: Any,
    params: np.ndarray,
    threads: int = 1,
) -> None:
    """Do one step of an optimiser: `state` and `params` are modified in place.

    Parameters
    ----------
    optimizer : NamedTuple
        A registered optimiser.
    lr : float
        The learning rate of this step.
    grads : ndarray of shape (n_params,)
        The gradient at `params`, of the same dtype.
    state : NamedTuple of ndarray
        The state that `init_state` made.
    params : ndarray of shape (n_params,)
        The parameters, float32 or float64, contiguous.
    threads : int
        From Python only: at most so many threads share the vector, fewer where that is faster. The bits are the same.
        Methods that need norms or shapes take one. After a step the others look out for the next, without sleeping,
        for some 0.1 ms.

    Raises
    ------
    TypeError, ValueError
        For arrays that do not fit and, in Python, for a negative or infinite rate and arrays that share memory; the
        message names the argument, and nothing has changed. Compiled code looks at types (a `TypingError`) and at
        lengths: those of `grads` and, under element-wise methods, of the state.

    Notes
    -----
    Arithmetic with denormal numbers takes many times as long, so moments that have all but vanished are kept from
    decaying to one: first moments below some 10^6 times the smallest normal number (1.2e-32 in float32, 2.2e-302 in
    float64; 100 times for `Lion` and `LARS`) become 0, and second moments, which are only used beside ε, stay at 10
    times the smallest normal number or above.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params = np.array([4.0])
    >>> optimizer = fastgd.SGD()
    >>> fastgd.update(optimizer, 0.1, np.array([8.0]), fastgd.init_state(optimizer, params), params)
    >>> params
    array([3.2])
    """
    if type(lr) is not float:
        lr = _check.number("update", "lr", lr, _check.nonnegative)
    shares = 1
    if type(threads) is not int or threads != 1:
        team = team_of(optimizer, grads, state, params, threads)
        try:
            if team is not None and team.step(lr) == _DONE:
                return
        except TypeError:  # an array was given another type
            pass
        shares = _shares(optimizer, state, params, threads)
    if shares == 1:
        way = _ways_in.get(id(state))
        if (
            way is not None
            and way.optimizer is optimizer
            and _is_vector(grads, way.dtype)
            and _is_vector(params, way.dtype)
            and params.flags.carray
            and way.call(optimizer, lr, grads, state, params, _known) == _DONE
        ):
            return
        try:
            if _is_told_apart((grads, state, params)) and (
                guarded_update(optimizer, lr, grads, state, params, _known) == _DONE
            ):
                return
        except TypeError:  # types that were not seen before, perhaps wrong ones
            pass
        except ValueError:  # the rule's own, or Numba's, which has no type for an empty list
            _require_fitting(optimizer, grads, state, params)
            raise
    _check.number("update", "lr", lr, _check.nonnegative)
    if shares > 1:
        _update_side_by_side(optimizer, lr, grads, state, params, threads, shares)
    else:
        _require_fitting(optimizer, grads, state, params)
        _update_for_the_first_time(optimizer, lr, grads, state, params)


@in_compiled_code(update, as_long="grads")
def _update(optimizer, lr, grads, state, params):
    kernel = kernels_in_compiled_code("update", OptimizerKernels, optimizer).update
    require_vector("update", params)
    require_array("update", "grads", grads, params.dtype)
    require_state("update", optimizer, state, params)
    return kernel


# From Python a step of a small vector takes nanoseconds, and a look at an array a hundred. So Python looks once, with
# words for what does not fit: the types that it has let pass are those `guarded_update` is compiled for (other types
# raise TypeError in Numba's dispatcher), and sizes and places in memory are looked at in compiled code, which makes one
# number of all that sizes can depend on and knows the numbers that were found right before. The dispatcher takes 1.5 µs
# to recognise two named tuples, more than all the rest. So of small vectors the last few states are kept together with
# the machine code that fits them: a state that is still the same object has the types that it had.

_DONE, _WRONG = 0, 2  # other answers are odd: a number that is not known yet
_SETS, _WAYS = 1 << 7, 8  # a number has its place in one of so many sets, and there in any of so many ways
_known = np.zeros((_SETS, _WAYS), np.uint64)
_SMALL, _MOST_WAYS = 1 << 12, 64  # parameters in a vector whose state is kept, and such states: a few megabytes


class _WayIn(NamedTuple):
    """The way into compiled code for one state."""

    optimizer: Any
    state: Any  # kept, so that its identity is not another's
    dtype: np.dtype
    call: Callable


_ways_in: dict[int, _WayIn] = {}  # by the identity of the state


def _is_told_apart(parts):
    """Whether Numba's dispatcher tells the arrays of a nested tuple from others.

    It takes masked and byte-swapped ones for the plain ones that it has seen, and plain ones for the swapped.
    """
    for part in parts:  # a loop, which takes half the time of `all`
        if type(part) is np.ndarray:
            if not part.dtype.isnative:
                return False
        elif isinstance(part, tuple):
            if not _is_told_apart(part):
                return False
        elif is_masked(part) or (isinstance(part, np.ndarray) and not part.dtype.isnative):
            return False
    return True


def _is_vector(array, dtype):
    return type(array) is np.ndarray and array.dtype is dtype and array.ndim == 1


@kernel(merge=True)
def misfit(optimizer, lr, grads, state, params, known):
    """What is wrong or unknown about the arrays; `_DONE` if nothing is."""
    if not 0 <= lr < np.inf:
        return np.uint64(_WRONG)
    number = number_of_facts((optimizer, params, grads, state))
    if not _is_known(number, known):
        return number
    return np.uint64(_WRONG if overlap((params, grads, state)) else _DONE)


@kernel
def guarded_update(optimizer, lr, grads, state, params, known):
    """Update if the arrays fit together; return what is wrong or unknown about them."""
    wrong = misfit(optimizer, lr, grads, state, params, known)
    if wrong == _DONE:
        update(optimizer, lr, grads, state, params)
    return wrong


@kernel
def find_misfit(optimizer, lr, grads, state, params, known):
    """The same without an update."""
    return misfit(optimizer, lr, grads, state, params, known)


@kernel
def take_part(optimizer, lrs, grads, state, params, known, after, board, own, role):
    """Update pieces of a vector that threads share (see `_runtime.team`), and return what is wrong or unknown, if any.

    state : what all read; own : this thread's arrays in the place of those that are not cut; after : what becomes of
    these, written by whoever has the first piece.
    """
    size, piece = np.uint64(params.size), board[PIECE]
    n_pieces = (size + piece - np.uint64(1)) // piece
    if role == LEADS:
        wrong = misfit(optimizer, lrs[0], grads, state, params, known)
        if wrong != _DONE:
            return wrong
        board[FINISHED] = 0
        share(board, NEXT, (shared(board, NEXT) | np.uint64(NONE_LEFT)) + np.uint64(1))
    looks = 0
    while True:
        k = shared(board, NEXT) & np.uint64(NONE_LEFT)
        if k < n_pieces:
            k = count_one(board, NEXT) & np.uint64(NONE_LEFT)
        if k < n_pieces:
            start = k * piece
            count = min(piece, size - start)
            copy_uncut(state, own, size)
            part = piece_of(state, own, size, start, count)
            update(optimizer, lrs[0], borrowed_slice(grads, start, count), part, borrowed_slice(params, start, count))
            if k == 0:
                copy_uncut(own, after, size)
            count_one(board, FINISHED)
            looks = 0
        elif role == LEADS:
            if shared(board, FINISHED) == n_pieces:
                copy_uncut(after, state, size)
                return np.uint64(_DONE)
            if shared(board, FAILED):
                return np.uint64(_DONE)
        else:
            looks += 1
            if looks > _PATIENCE or shared(board, DISMISSED):
                return np.uint64(_DONE)


def _refuse(*arguments, **named):
    raise TypeError("arguments of types that were not seen before")


# What Numba's dispatcher calls then, to compile for them. (Its own way to forbid that is a switch, which would be on
# for all threads while one of them compiles.)
guarded_update._compile_for_args = find_misfit._compile_for_args = take_part._compile_for_args = _refuse


@kernel(inline=True)
def _is_known(number, known):
    ways = known[number >> np.uint64(57)]
    found = False
    for way in range(_WAYS):
        found |= ways[way] == number
    return found


@intrinsic
def number_of_facts(typing_context, value):
    """One odd number of all that decides whether a nested tuple fits.

    These are its types, its numbers, its arrays' shapes, strides and alignment. Emitted here: the same as compiled
    Python took a sixth longer to compile, of each first update.
    """
    digest = hashlib.blake2b(described(value).encode(), digest_size=8).digest()

    def emit(context, builder, signature, arguments):
        parts, misaligned = [ir.Constant(_U64, int.from_bytes(digest))], ir.Constant(_U64, 0)
        for kind, _, leaf in leaves(builder, value, arguments[0]):
            if isinstance(kind, types.Array):
                array = context.make_array(kind)(context, builder, leaf)
                parts += cgutils.unpack_tuple(builder, array.shape) + cgutils.unpack_tuple(builder, array.strides)
                beyond = ir.Constant(_U64, context.get_abi_sizeof(context.get_data_type(kind.dtype)) - 1)
                address = builder.ptrtoint(array.data, _U64)
                misaligned = builder.or_(misaligned, builder.and_(address, beyond))
            elif isinstance(kind, types.Float):
                parts.append(builder.bitcast(context.cast(builder, leaf, kind, types.float64), _U64))
            else:
                parts.append(context.cast(builder, leaf, kind, types.uint64))
        number = ir.Constant(_U64, 0)
        for part in [*parts, misaligned]:
            number = builder.mul(builder.xor(number, part), ir.Constant(_U64, 0x9E3779B97F4A7C15))
            number = builder.xor(number, builder.lshr(number, ir.Constant(_U64, 29)))
        return builder.or_(number, ir.Constant(_U64, 1))

    return types.uint64(value), emit


@intrinsic
def overlap(typing_context, value):
    """Whether any two of the arrays of a nested tuple share memory; they are contiguous."""

    def emit(context, builder, signature, arguments):
        places = []
        for kind, _, leaf in leaves(builder, value, arguments[0]):
            if isinstance(kind, types.Array):
                array = context.make_array(kind)(context, builder, leaf)
                itemsize = ir.Constant(_U64, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
                start = builder.ptrtoint(array.data, _U64)
                places.append((start, builder.add(start, builder.mul(array.nitems, itemsize))))
        starts, ends = (cgutils.alloca_once(builder, _U64, size=len(places)) for _ in range(2))
        for k, (start, end) in enumerate(places):
            builder.store(start, builder.gep(starts, [ir.Constant(_U64, k)]))
            builder.store(end, builder.gep(ends, [ir.Constant(_U64, k)]))
        found = cgutils.alloca_once_value(builder, cgutils.false_bit)
        # In loops: ten groups of Adam have 40 arrays, whose 780 pairs one after the other took 10 s more to compile.
        with cgutils.for_range(builder, ir.Constant(_U64, len(places))) as one:
            start, end = (builder.load(builder.gep(array, [one.index])) for array in (starts, ends))
            with cgutils.for_range(builder, one.index) as other:
                other_start, other_end = (builder.load(builder.gep(array, [other.index])) for array in (starts, ends))
                last = builder.select(builder.icmp_unsigned(">", start, other_start), start, other_start)
                first = builder.select(builder.icmp_unsigned("<", end, other_end), end, other_end)
                crossed = builder.icmp_unsigned("<", last, first)
                builder.store(builder.or_(builder.load(found), crossed), found)
        return builder.load(found)

    return types.boolean(value), emit


_U64 = ir.IntType(64)


def _update_for_the_first_time(optimizer, lr, grads, state, params):
    """Update with arrays that were found right, and remember that they were."""
    arguments = (optimizer, lr, grads, state, params, _known)
    signature = _compile(guarded_update, arguments)
    number = guarded_update(*arguments)
    if number != _DONE:
        _remember(number)
        guarded_update(*arguments)
    if params.size <= _SMALL and type(params) is type(grads) is np.ndarray:
        while len(_ways_in) >= _MOST_WAYS:
            _ways_in.pop(next(iter(_ways_in)), None)
        call = guarded_update.overloads[signature].entry_point
        _ways_in[id(state)] = _WayIn(optimizer, state, params.dtype, call)


def _compile(function, arguments):
    """Compile for arguments of types that were found right; return their signature."""
    signature = tuple(map(typeof, arguments))
    function.compile(signature)
    return signature


def _remember(number):
    """Let compiled code know that arrays of this number fit."""
    if number != _DONE:
        ways = _known[number >> 57]
        ways[1:] = ways[:-1].copy()  # the oldest is forgotten
        ways[0] = number


def _require_fitting(optimizer, grads, state, params):
    _check.gradient("update", grads, params)
    require_fitting("update", optimizer, state, params, "grads", grads)


# On several threads: a piece of the vector after the other each.


def _shares(optimizer, state, params, threads):
    """How many threads pay."""
    threads = _check.integer("update", "threads", threads, least=1)
    shares = min(threads, params.nbytes // _THREAD_BYTES if isinstance(params, np.ndarray) else 1)
    if shares <= 1 or not is_elementwise(optimizer) or _lies_otherwise(state, params.size):
        return 1
    return usable(shares)


def _lies_otherwise(state, n_params):
    """Whether a state has an array of a number a parameter, or more, that is not cut with the vector."""
    for value in state if isinstance(state, tuple) else ():
        if isinstance(value, tuple):
            if _lies_otherwise(value, n_params):
                return True
        elif isinstance(value, np.ndarray) and value.size >= n_params and value.shape[0] != n_params:
            return True
    return False


def _update_side_by_side(optimizer, lr, grads, state, params, threads, shares):
    arguments = (optimizer, lr, grads, state, params, _known)
    if not _known_to_fit(*arguments):
        _require_fitting(optimizer, grads, state, params)
        _compile(find_misfit, arguments)
        _compile(take_part, (optimizer, np.zeros(1), grads, state, params, _known, state, _known[0], state, LEADS))
        _remember(find_misfit(*arguments))
    piece = max(1, _PIECE_BYTES // params.itemsize // _RANGE) * _RANGE
    Team(take_part, optimizer, grads, state, params, _known, piece, threads, shares - 1).step(lr)


def _known_to_fit(optimizer, lr, grads, state, params, known):
    """Whether such arrays were found right before, so that nothing large need be made to see it."""
    if not _is_told_apart((grads, state, params)):
        return False
    try:
        return find_misfit(optimizer, lr, grads, state, params, known) == _DONE
    except (TypeError, ValueError):  # Numba's: of types that were not seen before, or of an empty list
        return False
