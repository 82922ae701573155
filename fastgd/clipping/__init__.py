"""Clipping of gradients: one rule a file, as a verb, and as a tuple for `fit(clip=...)`."""

from fastgd.clipping.adaptive import ClipAdaptively, clip_adaptively
from fastgd.clipping.by_norm import ClipByNorm, clip_by_norm
from fastgd.clipping.by_value import ClipByValue, clip_by_value
from fastgd.clipping.none import NoClipping

__all__ = [
    "ClipAdaptively",
    "ClipByNorm",
    "ClipByValue",
    "NoClipping",
    "clip_adaptively",
    "clip_by_norm",
    "clip_by_value",
]
