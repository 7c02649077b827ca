"""What the engine itself costs: microseconds a frame above a bare read loop, with stages that do nothing.

Run: python benchmarks/engine_overhead.py [frames] [rounds]
"""

from __future__ import annotations

import queue
import statistics
import sys
import threading

from _table import alternate, show, spread

from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import STAGES, Frame, PipelineSpec, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource


class Nothing(Stage, title="Nothing"):
    """Pass the frame on."""


class NothingInOrder(Stage, title="Nothing, in order", stateful=True):
    """Pass the frame on, one by one."""


def bare(frames: int) -> None:
    source = FakeSource(frames, size_wh=(16, 16))
    source.open()
    for _ in source:
        pass


def handed_over(frames: int) -> None:
    """The least that a second thread costs: the standard library's queue between a reader and a consumer."""
    line: queue.Queue[Frame | None] = queue.Queue(8)

    def read() -> None:
        source = FakeSource(frames, size_wh=(16, 16))
        source.open()
        for frame in source:
            line.put(frame)
        line.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    while line.get() is not None:
        pass
    reader.join()


def engine(frames: int, kinds: list[str], workers: int) -> None:
    spec = PipelineSpec()
    for kind in kinds:
        spec = spec.added(kind)
    runner = Engine(spec, budget=ThreadBudget(workers, 1))
    runner.start(FakeSource(frames, size_wh=(16, 16)))
    runner.wait()
    assert runner.counts.analysed == frames
    runner.stop()


def main(frames: int = 20_000, rounds: int = 5) -> None:
    STAGES.add("nothing", Nothing)
    STAGES.add("in-order", NothingInOrder)
    three, five = ["nothing"] * 3, ["nothing", "nothing", "in-order", "nothing", "in-order"]
    contenders = {
        "bare read loop": lambda: bare(frames),
        "two threads and a queue.Queue(8), no stages": lambda: handed_over(frames),
        "3 stateless stages, pipeline thread only": lambda: engine(frames, three, 1),
        "3 stateless stages, 2 workers": lambda: engine(frames, three, 2),
        "5 stages (2 stateful), pipeline thread only": lambda: engine(frames, five, 1),
        "5 stages (2 stateful), 2 workers": lambda: engine(frames, five, 2),
    }
    seconds = alternate(contenders, rounds)
    base = statistics.median(seconds["bare read loop"])
    rows = [
        (name, spread([v / frames for v in values], 1e-6), f"{(statistics.median(values) - base) / frames * 1e6:.1f}")
        for name, values in seconds.items()
    ]
    show(f"Engine overhead, {frames} frames of 16x16, {rounds} rounds", ("", "us a frame", "above bare"), rows)


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
