"""Tracks of made-up scenes, spoiled in the ways in which trackers err, with the counts that are true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.zones.identity import Seen
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = ["SIZE_WH", "Actor", "Faults", "Scene", "made_scene", "seen_of"]

Float = NDArray[np.floating[Any]]
SIZE_WH = (1280, 720)
RATE_HZ = 30.0
MOST_AWAY_FRAMES = 28
LABELS = ("person", "car", "bicycle")
# An L and a slanted line: the notch of the L is outside.
ZONE = Zone(name="yard", points=((0.1, 0.15), (0.45, 0.15), (0.45, 0.5), (0.28, 0.5), (0.28, 0.85), (0.1, 0.85)))
LINE = CountLine(name="gate", start=(0.62, 0.25), end=(0.7, 0.8))


@dataclass(frozen=True)
class Faults:
    """How tracks are spoiled: chances per frame, spans in frames, and the share of an object's size for jitter."""

    missing: float = 0.1
    gap_frames: int = 15
    switches: int = 2
    switch_gap_frames: int = 12
    unconfirmed: float = 0.03
    doubles: float = 0.4
    wrong_label: float = 0.2
    jitter: float = 0.02


@dataclass(frozen=True)
class Actor:
    """An object that walks a way.

    ``way`` (F, 2) is where it stands (its bottom centre) in pixels in each frame from ``first`` on; ``size_wh`` is the
    size of its box; ``moments`` are frames of its way at which a tracker likes to fail.
    """

    label: str
    way: Float
    first: int
    size_wh: tuple[float, float]
    moments: tuple[int, ...] = ()


@dataclass
class Scene:
    """``frames`` of tracks, and what is true: ``counts`` of (shape, way, label), way +1 for in and forward."""

    shapes: ZoneSet
    frames: list[Seen] = field(default_factory=list)
    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)


def seen_of(rows: list[tuple[int, str, float, tuple[float, float, float, float]]]) -> Seen:
    """Tracks from rows of (track_id, label, confidence, xyxy), standing on their bottom centres."""
    xyxy = np.array([row[3] for row in rows], np.float64).reshape(-1, 4)
    return Seen(
        track_id=np.array([row[0] for row in rows], np.int64),
        label=[row[1] for row in rows],
        confidence=np.array([row[2] for row in rows], np.float64),
        xyxy=xyxy,
        anchor_xy=np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1),
    )


def made_scene(seed: int, faults: Faults | None = None, actors: int = 8) -> Scene:
    """A scene with a zone and a line, the same for the same seed."""
    rng = np.random.default_rng(seed)
    faults = faults or Faults()
    scene = Scene(ZoneSet(zones=(ZONE,), lines=(LINE,)))
    cast: list[Actor] = []
    while len(cast) < actors:
        actor = _actor(rng, seconds=float(rng.uniform(4, 9)))
        if not any(_mingle(actor, other) for other in cast):
            cast.append(actor)
    for actor in cast:
        scene.counts.update(_truth(actor))
    numbers = iter(range(1, 10_000))
    rows: dict[int, list[tuple[int, str, float, tuple[float, float, float, float]]]] = {}
    for actor in cast:
        _track(actor, faults, rng, lambda: next(numbers), rows)
    # The end shows an empty scene, so that all have left.
    length = max(rows, default=0) + round(3 * RATE_HZ)
    for at in range(length):
        found = rows.get(at, [])
        rng.shuffle(found)
        scene.frames.append(seen_of(found))
    return scene


# Ways ----------------------------------------------------------------------------------------------------------------


def _actor(rng: np.random.Generator, seconds: float) -> Actor:
    """An object on one of the ways below that is plain: nobody would argue about what it does."""
    size_wh = (float(rng.uniform(35, 90)), float(rng.uniform(50, 110)))
    label = str(rng.choice(LABELS))
    first = int(rng.integers(0, 90))
    ways: tuple[Callable[..., Float], ...] = (_over, _over, _stop, _turn_back, _to_and_fro, _past_the_end, _leap)
    while True:
        near_line = rng.random() < 0.6
        way = ways[int(rng.integers(len(ways)))](rng, seconds) if near_line else _wander(rng, seconds)
        actor = Actor(label, way, first, size_wh)
        moments = _moments(actor)
        if moments is not None:
            return Actor(label, way, first, size_wh, moments)


def _along(places: Float, times_s: Float) -> Float:
    """Straight from place to place, at these times, one row a frame."""
    at = np.arange(0, times_s[-1] + 1e-9, 1 / RATE_HZ)
    return np.stack([np.interp(at, times_s, places[:, axis]) for axis in (0, 1)], axis=1)


def _at_line(share: Float | float, off_px: Float | float) -> Float:
    """Places beside the line: ``share`` of the way from start to end, ``off_px`` to its right."""
    start, end = np.array(LINE.start) * SIZE_WH, np.array(LINE.end) * SIZE_WH
    along = (end - start) / np.hypot(*(end - start))
    right = np.array([-along[1], along[0]])
    share, off_px = np.broadcast_arrays(np.asarray(share, float), np.asarray(off_px, float))
    return np.asarray(start + share[:, None] * (end - start) + off_px[:, None] * right)


def _over(rng: np.random.Generator, seconds: float) -> Float:
    side = rng.choice([-1, 1])
    places = _at_line(rng.uniform(0.1, 0.9, 2), side * np.array([-1, 1]) * rng.uniform(90, 220))
    return _along(places, np.array([0, seconds]))


def _stop(rng: np.random.Generator, seconds: float) -> Float:
    """It stops on the line; it goes on or goes back."""
    side, off = rng.choice([-1, 1]), rng.uniform(90, 200)
    last = rng.choice([-1, 1]) * off
    places = _at_line(rng.uniform(0.2, 0.8) + np.zeros(4), np.array([side * off, rng.uniform(-1, 1), 0, last]))
    places[2] = places[1]
    return _along(places, np.array([0, 0.3, 0.7, 1]) * seconds)


def _turn_back(rng: np.random.Generator, seconds: float) -> Float:
    """It comes as near as a few pixels and turns."""
    side, off = rng.choice([-1, 1]), rng.uniform(90, 200)
    places = _at_line(rng.uniform(0.1, 0.9, 3), side * np.array([off, rng.uniform(0, 2), off]))
    return _along(places, np.array([0, 0.5, 1]) * seconds)


def _to_and_fro(rng: np.random.Generator, seconds: float) -> Float:
    times = int(rng.integers(2, 5))
    offs = rng.choice([-1, 1]) * np.array([(-1) ** i for i in range(times + 1)]) * rng.uniform(90, 200, times + 1)
    return _along(
        _at_line(rng.uniform(0.15, 0.85, times + 1), offs), np.linspace(0, max(seconds, 1.7 * times), times + 1)
    )


def _past_the_end(rng: np.random.Generator, seconds: float) -> Float:
    """It walks round an end of the line, and perhaps returns over it."""
    side, off = rng.choice([-1, 1]), rng.uniform(90, 180)
    beyond = rng.choice([-0.25, 1.2]) + rng.uniform(-0.05, 0.05)
    offs, shares, times = [side * off, side * off, -side * off], [0.5, beyond, beyond], [0, 0.3, 0.6]
    if rng.random() < 0.5:
        offs, shares, times = [*offs, -side * off, side * off], [*shares, 0.5, 0.5], [*times, 0.8, 1.1]
    return _along(_at_line(np.array(shares), np.array(offs)), np.array(times) * max(seconds, 6))


def _leap(rng: np.random.Generator, seconds: float) -> Float:
    """So fast that it is over the line from one frame to the next."""
    side, step = rng.choice([-1, 1]), rng.uniform(70, 120)
    offs = side * (np.arange(-6, 7) + rng.uniform(0.3, 0.7)) * step
    return _at_line(rng.uniform(0.2, 0.8) + np.zeros(len(offs)), offs)


def _wander(rng: np.random.Generator, seconds: float) -> Float:
    """In and out of the zone, along straight legs."""
    legs = int(rng.integers(1, 4))
    places = rng.uniform([0.02, 0.12], [0.57, 0.97], (legs + 1, 2)) * SIZE_WH
    return _along(places, np.linspace(0, max(seconds, 3.0 * legs), legs + 1))


def _mingle(one: Actor, other: Actor) -> bool:
    """Whether two lie on one another around the moment at which a tracker fails: nobody could tell them apart then."""
    first, end = max(one.first, other.first), min(one.first + len(one.way), other.first + len(other.way))
    if first >= end:
        return False
    apart = one.way[first - one.first : end - one.first] - other.way[first - other.first : end - other.first]
    near = np.hypot(*apart.T) < 0.7 * max(*one.size_wh, *other.size_wh)
    moments = [actor.first + moment for actor in (one, other) for moment in actor.moments]
    return any(near[max(m - 30 - first, 0) : max(m + 45 - first, 0)].any() for m in moments)


# What is true --------------------------------------------------------------------------------------------------------


def _sides(actor: Actor) -> tuple[Float, Float, Float]:
    """For each frame: depth in the zone, distance from the line, and the share along the line."""
    corners = (np.array(ZONE.points) * SIZE_WH).astype(np.float32)
    depth = np.array([cv2.pointPolygonTest(corners, (float(x), float(y)), True) for x, y in actor.way])
    start, end = np.array(LINE.start) * SIZE_WH, np.array(LINE.end) * SIZE_WH
    along = end - start
    to = actor.way - start
    off = (along[0] * to[:, 1] - along[1] * to[:, 0]) / np.hypot(*along)
    return depth, off, to @ along / (along @ along)


def _runs(side: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of equal values, as first frame and the one after the last."""
    edges = [0, *(np.flatnonzero(np.diff(side.astype(int))) + 1).tolist(), len(side)]
    return list(pairwise(edges))


def _moments(actor: Actor) -> tuple[int, ...] | None:
    """The frames of the way at which a border is passed; None when it is not plain what happens."""
    depth, off, share = _sides(actor)
    size = np.sqrt(np.prod(actor.size_wh))
    frames = []
    for first, end in _runs(depth > 0):
        if np.abs(depth[first:end]).max() < 0.4 * size or end - first < 1.2 * RATE_HZ:
            return None
        frames.append(first)
    near = np.flatnonzero(np.abs(off) < 1.5)
    frames += near[:1].tolist()
    for first, end in _runs(off >= 0):
        at = max(first - 1, 0)
        if first and not (share[at] < -0.1 or share[at] > 1.1 or 0.05 < share[at] < 0.95):
            return None
        if first and np.abs(off[first:end]).max() >= 0.3 * size:
            frames.append(first)
    return tuple(sorted({frame for frame in frames if 0 < frame < len(actor.way) - 5}))


def _truth(actor: Actor) -> Counter[tuple[str, int, str]]:
    """What happens on a plain way: only the sides that it gets clear on count."""
    depth, off, share = _sides(actor)
    counts: Counter[tuple[str, int, str]] = Counter()
    inside = depth > 0
    for first, _ in _runs(inside):
        if inside[first]:
            counts[ZONE.name, 1, actor.label] += 1
            counts[ZONE.name, -1, actor.label] += 1
    clear = 0.3 * np.sqrt(np.prod(actor.size_wh))
    side, through = 0, 0
    for at in range(len(off)):
        way = 1 if off[at] >= 0 else -1
        if at and (off[at - 1] >= 0) != (off[at] >= 0) and 0 <= share[at] <= 1:
            through += way
        if abs(off[at]) > clear:
            if side == -way and through == way:
                counts[LINE.name, way, actor.label] += 1
            side, through = way, 0
    return counts


# What a tracker makes of it ------------------------------------------------------------------------------------------


def _track(
    actor: Actor,
    faults: Faults,
    rng: np.random.Generator,
    number: Callable[[], int],
    rows: dict[int, list[tuple[int, str, float, tuple[float, float, float, float]]]],
) -> None:
    """Put the tracks of an actor into ``rows``, by frame."""
    count = len(actor.way)
    width, height = actor.size_wh
    size = float(np.sqrt(width * height))
    quick = count < RATE_HZ
    there = rng.random(count) >= (0 if quick else faults.missing)
    confirmed = rng.random(count) >= (0 if quick else faults.unconfirmed)
    track_id = np.full(count, number(), np.int64)
    for _ in range(0 if quick else 2):
        at = int(rng.integers(0, count))
        there[at : at + int(rng.integers(0, faults.gap_frames + 1))] = False
    moments = [] if quick else list(actor.moments)
    for moment in rng.permutation(moments)[: faults.switches].astype(int).tolist():
        # The switch falls on the border, with a gap and the frames that a tracker takes to be sure. Around it the
        # object is seen, or nobody would know how it moves.
        gap = int(rng.integers(0, faults.switch_gap_frames + 1))
        at = int(np.clip(moment + rng.integers(-gap, 3), 1, count - 1))
        there[max(at - 15, 0) : at + gap + 15] = confirmed[max(at - 15, 0) : at + gap + 15] = True
        there[at : at + gap] = False
        track_id[at:] = number()
        confirmed[at : at + gap + int(rng.integers(0, 3))] = False
    for first, end in _runs(there & confirmed):
        if first and end < count and not (there & confirmed)[first]:
            back = _told_by(actor, first, end, bool(track_id[first - 1] != track_id[end]))
            there[back:end] = confirmed[back:end] = True
    wrong = [other for other in LABELS if other != actor.label]
    double, double_until = 0, 0
    for at in range(count):
        if not there[at]:
            continue
        x, y = actor.way[at] + rng.normal(0, faults.jitter * size, 2)
        box = (x - width / 2, y - height, x + width / 2, y)
        label = str(rng.choice(wrong)) if rng.random() < faults.wrong_label else actor.label
        frame = actor.first + at
        found = rows.setdefault(frame, [])
        found.append((int(track_id[at]) if confirmed[at] else -1, label, float(rng.uniform(0.5, 0.95)), box))
        if at >= double_until and rng.random() < faults.doubles / RATE_HZ:
            double, double_until = number(), at + int(rng.integers(5, 40))
        if at < double_until:
            shift = rng.normal(0, 0.03 * size, 4)
            also = (box[0] + shift[0], box[1] + shift[1], box[2] + shift[2], box[3] + shift[3])
            found.append((double, str(rng.choice(LABELS)), float(rng.uniform(0.3, 0.9)), also))


def _told_by(actor: Actor, first: int, end: int, switched: bool) -> int:
    """Until which frame an object that is away from ``first`` to ``end`` may stay so: nobody could know it later.

    With another number, it must not be far from where it would be had it gone on as before.
    """
    end = min(end, first + MOST_AWAY_FRAMES)
    if not switched:
        return end
    pace = (actor.way[first - 1] - actor.way[max(first - 7, 0)]) / max(min(first - 1, 6), 1)
    while end > first:
        expected = actor.way[first - 1] + pace * (end - first + 1)
        if np.hypot(*(actor.way[end] - expected)) < 0.4 * np.sqrt(np.prod(actor.size_wh)):
            break
        end -= 1
    return end
