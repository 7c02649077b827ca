"""Paints lanes into an array, column by column with numpy: what it costs grows with pixels, not with events. No Qt.

Events that are far enough apart are left out here and told to the caller, who draws each with its sign; where they are
closer, a column is the stronger the more of them fall on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenescope.widgets.timeline_layout import PAD_PX
from scenescope.widgets.timeline_span import Span

__all__ = [
    "Block",
    "area",
    "bars",
    "coverage",
    "density",
    "hatch",
    "near",
    "packed",
    "split",
    "strength",
    "tint",
    "visible",
]

Block = NDArray[np.uint32]
"""uint32 (h, w), 0xffRRGGBB: the part of the picture that a lane has."""
Rgb = tuple[int, int, int]

WEAKEST = 0.55
FULL_AT = 40
STRIPE_PX = 6
_OUTER = np.uint32(0x00FF00FF)


def visible(t_s: NDArray[np.float64], span: Span, margin_px: float = 0.0) -> slice:
    """The part of ascending times that is on the screen, or up to ``margin_px`` beside it."""
    margin = margin_px / span.px_per_s
    first, last = np.searchsorted(t_s, (span.start_s - margin, span.end_s + margin))
    return slice(int(first), int(last))


def density(t_s: NDArray[np.float64], span: Span, weights: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """How many of ascending times fall on each column, or what their weights add up to: int64 (width,)."""
    bounds = np.searchsorted(t_s, span.edges_s)
    if weights is None:
        return np.diff(bounds)
    return np.diff(np.concatenate(([0.0], np.cumsum(weights)))[bounds]).astype(np.int64)


def split(
    t_s: NDArray[np.float64], span: Span, apart_px: float, margin_px: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending times as those that stand alone, and the others as a density.

    Returns:
        Indices of those that have no neighbour within ``apart_px``, int64 (K,), also up to ``margin_px`` beside the
        screen; and how many of the others fall on each column, int64 (width,).
    """
    bounds = np.searchsorted(t_s, span.edges_s)
    counts = np.diff(bounds)
    single = np.flatnonzero(counts == 1)
    seen = visible(t_s, span, margin_px)
    found = np.concatenate((np.arange(seen.start, bounds[0]), bounds[single], np.arange(bounds[-1], seen.stop)))
    after = t_s[np.minimum(found + 1, len(t_s) - 1)] - t_s[found]
    after[found == len(t_s) - 1] = np.inf
    before = t_s[found] - t_s[found - 1]
    before[found == 0] = np.inf
    alone = found[np.minimum(before, after) >= apart_px / span.px_per_s]
    crowd = counts.copy()
    crowd[np.searchsorted(bounds, alone[(alone >= bounds[0]) & (alone < bounds[-1])], side="right") - 1] = 0
    return alone, crowd


def coverage(first_s: NDArray[np.float64], last_s: NDArray[np.float64], span: Span) -> NDArray[np.int64]:
    """How many stretches cover each column, int64 (width,); beginnings and ends are each ascending, on their own."""
    begun = np.searchsorted(first_s, span.edges_s[1:])
    over = np.searchsorted(last_s, span.edges_s[:-1])
    return begun - over


_GROWTH = np.log(np.arange(1, FULL_AT + 1, dtype=np.float32)) / np.log(np.float32(FULL_AT))


def strength(counts: NDArray[np.int64], weakest: float = WEAKEST) -> NDArray[np.float32]:
    """0 where nothing is, else ``weakest`` to 1, growing with the logarithm of the count."""
    by_count = np.concatenate((np.zeros(1, np.float32), weakest + (1 - weakest) * _GROWTH), dtype=np.float32)
    return by_count[np.minimum(counts, FULL_AT)]


def packed(rgb: Rgb) -> np.uint32:
    """A colour as QImage keeps it: 0xffRRGGBB."""
    return np.uint32(0xFF000000 | rgb[0] << 16 | rgb[1] << 8 | rgb[2])


def tint(block: Block, alpha: NDArray[np.float32], rgb: Rgb) -> None:
    """Mix a colour into the columns of a block, as strongly as ``alpha`` (w,) says."""
    hit = np.flatnonzero(alpha)
    if not block.shape[0] or not len(hit):
        return
    # All lines of a lane begin alike, so one line is mixed and copied. The two outer bytes and the two inner ones are
    # mixed at once, in eight bits of a share each.
    ground, share = block[0, hit], (alpha[hit] * 256).astype(np.uint32)
    colour = packed(rgb)
    rest = 256 - share
    outer = ((ground & _OUTER) * rest + (colour & _OUTER) * share) >> 8 & _OUTER
    inner = ((ground >> 8 & _OUTER) * rest + (colour >> 8 & _OUTER) * share) & ~_OUTER
    line = np.zeros(block.shape[1], np.uint32)
    line[hit] = outer | inner
    np.copyto(block, line, where=alpha > 0)


def hatch(block: Block, counts: NDArray[np.int64], rgb: Rgb) -> None:
    """Stripes over the columns that are covered: what is not known looks unlike anything that is."""
    height, width = block.shape
    if not height:
        return
    diagonal = np.arange(width + height) % STRIPE_PX < STRIPE_PX // 2
    stripes = np.lib.stride_tricks.sliding_window_view(diagonal, width)[:height]
    np.copyto(block, packed(rgb), where=stripes & (counts > 0)[None, :])


def bars(
    block: Block, first_s: NDArray[np.float64], last_s: NDArray[np.float64], colours: NDArray[np.uint32], span: Span
) -> None:
    """Bars next to each other.

    Args:
        block: where they lie.
        first_s: their beginnings, ascending.
        last_s: their ends, ascending: where bars overlap, the later end of those so far.
        colours: uint32 (N,), 0xffRRGGBB of each.
        span: the time on the screen.
    """
    if not block.shape[0] or not len(first_s):
        return
    latest = np.searchsorted(first_s, span.edges_s[1:]) - 1
    covered = (latest >= 0) & (last_s[latest] >= span.edges_s[:-1])
    shown = colours[latest]
    # A dark first pixel tells two bars of one colour apart, where a bar is wide enough to have one.
    wide = last_s[latest] - first_s[latest] >= 3 / span.px_per_s
    first = (first_s[latest] >= span.edges_s[:-1]) & wide
    shown = np.where(first, (shown >> 1) & 0x7F7F7F | 0xFF000000, shown).astype(np.uint32)
    np.copyto(block, shown[None, :], where=covered[None, :])


def area(
    block: Block,
    t_s: NDArray[np.float64],
    value: NDArray[np.float64],
    span: Span,
    most: float,
    rgb: Rgb,
    lasts_s: float,
) -> None:
    """The area under a curve of samples; a sample holds for ``lasts_s`` unless the next comes before."""
    if not len(t_s) or not block.shape[0] or most <= 0:
        return
    edges = span.edges_s
    bounds = np.searchsorted(t_s, edges)
    before = np.maximum(bounds[1:] - 1, 0)
    held = (bounds[1:] > 0) & (edges[1:] - t_s[before] <= lasts_s + 1 / span.px_per_s)
    shown = np.where(held, value[before], 0.0)
    several = np.flatnonzero(bounds[1:] - bounds[:-1] > 1)
    if len(several):
        pairs = np.stack((bounds[several], bounds[several + 1]), axis=1).ravel()
        shown[several] = np.maximum.reduceat(np.append(value, 0.0), pairs)[::2]
    height = block.shape[0]
    tops = height - np.ceil(np.clip(shown / most, 0, 1) * (height - PAD_PX)).astype(np.int64)
    lines = np.arange(height)[:, None]
    fill = (lines >= tops) & (shown > 0)
    mixed = block[:1].copy()
    tint(mixed, np.full(span.width_px, 0.4, np.float32), rgb)
    np.copyto(block, mixed, where=fill)
    np.copyto(block, packed(rgb), where=fill & (lines < tops + 2))


def near(places_px: NDArray[np.float64], x_px: float, reach_px: float) -> int | None:
    """Which of ascending places is nearest to ``x_px``, within reach; None when there is none."""
    at = int(np.searchsorted(places_px, x_px))
    around = [(abs(float(places_px[n]) - x_px), n) for n in (at - 1, at) if 0 <= n < len(places_px)]
    away, best = min(around, default=(np.inf, -1))
    return best if away <= reach_px else None
