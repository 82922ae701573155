"""Threads that share the steps of one vector, and wait for the next step in compiled code.

To wake a thread takes some 50 µs, and handing over Python's lock as much, where a step of 10^6 parameters takes 300 to
700. So a helper that has been called takes pieces of one step after the other and looks out for the next for a while
without sleeping, as OpenMP's threads do. Two threads did steps of 6·10^5 to 3·10^6 parameters 1.5 to 1.8 times as fast
as one; when Python handed out the pieces, 0.7 to 1.3. Where the helper has gone home between steps, 0.8 to 1.6.
"""

import functools
import os
from concurrent.futures import wait

import numpy as np

from fastgd._runtime.threads import call_for_help

LEADS, HELPS = range(2)  # roles
# The board that all look at: the step and its next piece in one number; how many pieces are finished; the parameters in
# a piece; whether a helper failed; whether the helpers are to go home. Each in a cache line of its own.
NEXT, FINISHED, PIECE, FAILED, DISMISSED = range(0, 40, 8)
NONE_LEFT = (1 << 32) - 1  # of NEXT, whose lower half is the piece

_teams: dict[int, "Team"] = {}  # whose helpers are there, by the identity of the state
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_teams.clear)


def team_of(optimizer, grads, state, params, threads):
    """The team that waits for the next step of these very objects, or None."""
    team = _teams.get(id(state))
    if team is None or all(
        a is b for a, b in zip(team.members, (optimizer, grads, state, params, threads), strict=True)
    ):
        return team
    team.dismiss()
    return None


class Team:
    """Helpers, as many as could be had, and what they share with who leads; `take_part` is what each of them does."""

    def __init__(self, take_part, optimizer, grads, state, params, known, piece, threads, helpers):
        self.members = optimizer, grads, state, params, threads
        self._lrs, self._board = np.zeros(1), np.zeros(40, np.uint64)
        self._board[NEXT], self._board[PIECE] = NONE_LEFT, piece
        self._state, self._n_params = state, params.size
        self._take_part = functools.partial(
            take_part, optimizer, self._lrs, grads, state, params, known, self._with_own(state), self._board
        )
        self._own = self._with_own(state)
        _teams[id(state)] = self
        self._called = call_for_help(self._help, helpers)
        if not self._called:
            self.dismiss()

    def step(self, lr):
        """Do a step; return what `take_part` does."""
        self._lrs[0] = lr
        try:
            answer = self._take_part(self._own, LEADS)
        except BaseException:
            self.dismiss()
            wait(self._called)
            raise
        if self._board[FAILED]:
            for helper in self._called:
                helper.result()
        return answer

    def dismiss(self):
        """Send the helpers home."""
        self._board[DISMISSED] = 1
        self._forget()

    def _help(self):
        try:
            self._take_part(self._with_own(self._state), HELPS)
        except BaseException:
            self._board[FAILED] = 1
            raise
        finally:
            self._forget()

    def _forget(self):
        if _teams.get(id(self._state)) is self:
            _teams.pop(id(self._state), None)

    def _with_own(self, state):
        """The state with copies of the arrays that are not cut with the vector: for one thread."""
        parts = []
        for value in state:
            if isinstance(value, tuple):
                parts.append(self._with_own(value))
            else:
                parts.append(value if value.shape[:1] == (self._n_params,) else value.copy())
        return type(state)._make(parts) if hasattr(state, "_make") else tuple(parts)
