"""Pictures of results, by matplotlib: ``pip install "fastgd[plots]"``.

A display is made from results and never trains. Its `plot(ax=None)` draws, in a new figure or on axes of the caller's,
keeps what it drew in attributes that end in `_`, and returns the display. matplotlib is imported by `plot`, not before.
"""

from fastgd.plots.paths import PathDisplay

__all__ = ["PathDisplay"]
