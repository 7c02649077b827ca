"""What looking costs a frame: the ring of pictures, glances for changes, and the judging of watches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

import cv2
import numpy as np
from _table import show

from scenescope.pipelines import Frame, SourceInfo, StageSpec
from scenescope.pipelines.look_ring import LookRing, jpeg_of
from scenescope.pipelines.sampler import ChangeMeter, thumbnail_of
from scenescope.pipelines.watches import WatchRule
from scenescope.pipelines.watches.fakes import LABELS, Watcher, Who, scene, with_zones
from scenescope.pipelines.zones.model import Zone, ZoneSet

SIZE_WH = (1920, 1080)
HIDDEN = StageSpec(id="hide", kind="redact")
ZONE = Zone(name="A", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))


def micros(work: Callable[[], Iterable[object]]) -> list[float]:
    """Microseconds of each step."""
    steps, began_s = [], time.perf_counter()
    for _ in work():
        steps.append((time.perf_counter() - began_s) * 1e6)
        began_s = time.perf_counter()
    return steps


def row(name: str, steps: list[float]) -> tuple[str, ...]:
    return name, f"{statistics.median(steps):,.0f}", f"{np.percentile(steps, 99):,.0f}"


def main() -> None:
    """Measure all and print it."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (108, 192, 3), np.uint8), SIZE_WH, interpolation=cv2.INTER_CUBIC)
    ring = LookRing(lambda: (HIDDEN,))
    ring.open(SourceInfo("benchmark", SIZE_WH, 30.0, live=True))
    frames = [Frame(picture, index, index / 30, hidden_by=(HIDDEN,)) for index in range(900)]
    all_steps = micros(lambda: (ring.write(frame) for frame in frames))
    due = [step for index, step in enumerate(all_steps) if index % 30 == 0]
    idle = [step for index, step in enumerate(all_steps) if index % 30]
    rows = [
        row("ring, no picture due", idle),
        row("ring, picture due (one a second)", due),
        row("newest picture when asked", micros(lambda: (jpeg_of(picture) for _ in range(50)))),
    ]
    meter = ChangeMeter()
    glances = micros(lambda: (meter.see(thumbnail_of(picture), at * 0.2) for at in range(200)))
    rows.append(row("glance (five a second)", glances))
    cast = [Who(LABELS[n % 3], 0.5, 29, (20 + 36 * (n % 10), 60 + 100 * (n // 10)), n) for n in range(20)]
    made = with_zones(scene(cast, 30), ZoneSet(zones=(ZONE,)))
    rules = [
        WatchRule(name=f"{trigger} {n}", trigger=trigger, **more)
        for n in range(10)
        for trigger, more in (
            ("appear", {"for_s": 5.0}),
            ("vanish", {"colour": "red"}),
            ("zone_enter", {"zone": "A"}),
            ("dwell", {"zone": "A", "for_s": 9.0}),
            ("count", {"at_least": 30}),
        )
    ]
    for number in (1, 50):
        watcher = Watcher(*rules[:: 50 // number])
        rows.append(row(f"{number} watches, 20 tracks", micros(lambda w=watcher: (w.sink.write(one) for one in made))))
    kilobytes = ring.bytes / 1000 / len(ring.pictures(most=100))
    show(
        "Looking, 1080p",
        ("a frame", "median µs", "p99 µs"),
        rows,
        f"A picture of 512 pixels takes {kilobytes:.0f} KB here; the ring holds 31 of them.",
    )


if __name__ == "__main__":
    main()
