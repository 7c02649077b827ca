"""How long it takes to go to a picture of a film, beside OpenCV; and how often it is the wrong one.

Run: python benchmarks/seek.py [pictures] [seeks] [group]

Two films of 1080p are made, with a key frame every ``group`` pictures and every 30. The contenders take turns, and the
pictures carry their numbers, so a wrong one is seen.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from _table import show, spread

from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import write_video

GOALS = "Goals: seek <= 0.9 x OpenCV and none wrong, forward <= 1.5 x in order, back <= 5 ms."


class Timed:
    """Calls that give the picture with a number, their times, and how many gave another one."""

    def __init__(self, go: Callable[[int], np.ndarray | None]) -> None:
        self.seconds: list[float] = []
        self.wrong = 0
        self._go = go

    def __call__(self, number: int) -> None:
        """Go to a picture."""
        started = time.perf_counter()
        image = self._go(number)
        self.seconds.append(time.perf_counter() - started)
        self.wrong += image is None or code_marker.read(image) != number

    def all(self, numbers: Iterable[int]) -> Timed:
        """Go to each."""
        for number in numbers:
            self(number)
        return self

    @property
    def median(self) -> float:
        """Of the seconds."""
        return statistics.median(self.seconds)


def film(path: Path, keep_bytes: int | None = None) -> VideoFile:
    source = VideoFile(path, keep_bytes=keep_bytes)
    source.open()
    source.build_index(lambda done: None, lambda: False)
    return source


def measure(path: Path, pictures: int, seeks: int, every: int) -> None:
    kept, bare, capture = film(path), film(path, keep_bytes=0), cv2.VideoCapture(str(path))

    def opencv(number: int) -> np.ndarray | None:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        return capture.read()[1]

    chosen = random.Random(0)
    places = [chosen.randrange(pictures) for _ in range(seeks)]
    contenders = [Timed(opencv), Timed(lambda number: bare.read_at(number).image)]
    for turn, number in enumerate(places):
        for contender in contenders[:: 1 if turn % 2 else -1]:
            contender(number)
    theirs, ours = contenders

    start = pictures // 2
    bare.read_at(start - 1)
    in_order = Timed(lambda number: bare.read().image)
    forward = Timed(lambda number: kept.read_at(number).image)
    kept.read_at(start - 1)
    for number in range(start, start + 60):
        in_order(number)
        forward(number)
    back = Timed(lambda number: kept.read_at(number).image).all(range(start + 58, start, -1))
    their_back = Timed(opencv).all(range(start + 58, start + 48, -1))
    backwards = Timed(lambda number: kept.read_at(number).image).all(range(pictures - 1, -1, -1))
    bare.read_at(0)
    whole = Timed(lambda number: bare.read().image).all(range(1, pictures))
    mean_back_s, mean_s = statistics.mean(backwards.seconds), statistics.mean(whole.seconds)
    for source in (kept, bare):
        source.close()

    faster = f"{their_back.median / back.median:.0f} x as fast"
    rows = [
        ("read in order", spread(in_order.seconds, 1e-3), "", str(in_order.wrong)),
        ("go anywhere, OpenCV set and read", spread(theirs.seconds, 1e-3), "", str(theirs.wrong)),
        (
            "go anywhere, nothing kept",
            spread(ours.seconds, 1e-3),
            f"{sum(ours.seconds) / sum(theirs.seconds):.2f} x OpenCV",
            str(ours.wrong),
        ),
        (
            "one step forward",
            spread(forward.seconds, 1e-3),
            f"{forward.median / in_order.median:.2f} x in order",
            str(forward.wrong),
        ),
        ("one step back, OpenCV set and read", spread(their_back.seconds, 1e-3), "", str(their_back.wrong)),
        ("one step back, kept", spread(back.seconds, 1e-3), faster, str(back.wrong)),
        (
            "the whole film backwards, mean",
            f"{mean_back_s * 1e3:.1f}",
            f"{mean_back_s / mean_s:.2f} x in order",
            str(backwards.wrong),
        ),
    ]
    title = f"1080p, {pictures} pictures, a key frame every {every}, {seeks} places"
    show(title, ("", "ms a picture", "", "wrong"), rows, GOALS)


def main(pictures: int = 600, seeks: int = 40, group: int = 250) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for every in (group, 30):
            path = Path(folder) / f"{every}.mp4"
            write_video(path, pictures, (1920, 1080), g=str(every), bf="2", sc_threshold="0", preset="veryfast")
            measure(path, pictures, seeks, every)


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
