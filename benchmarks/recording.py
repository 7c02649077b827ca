"""What recording costs a picture at 1080p: captured, with overlay, the last seconds, and all of them together."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from _table import show

from scenescope.models import Detections
from scenescope.pipelines import Frame, Sink, SourceInfo
from scenescope.pipelines.sinks._clock import RecordingClock
from scenescope.pipelines.sinks._disk import DiskWatch
from scenescope.pipelines.sinks._encoder import encoder_choice
from scenescope.pipelines.sinks.recorder import Part, RecorderContext, VideoRecorder
from scenescope.pipelines.sinks.rolling import RollingBuffer

SIZE_WH = (1920, 1080)
PICTURES = 120
ROUNDS = 3
RATE_HZ = 30.0


def pictures() -> list[Frame]:
    """A textured scene that moves, with a few boxes."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(
        rng.integers(0, 255, (160, 280, 3), dtype=np.uint8), (2200, 1260), interpolation=cv2.INTER_CUBIC
    )
    boxes = Detections(
        xyxy=[(100, 100, 300, 500), (600, 200, 900, 700), (1200, 300, 1500, 900)],
        confidence=[0.9, 0.8, 0.7],
        class_id=[0, 1, 1],
        class_names=("person", "car"),
    )
    made = []
    for number in range(PICTURES):
        left, top = 2 * number % 280, number % 180
        image = np.ascontiguousarray(ground[top : top + SIZE_WH[1], left : left + SIZE_WH[0]])
        made.append(
            Frame(image, number, number / RATE_HZ, time.monotonic() + 1e6 + number).with_result("detect", boxes)
        )
    return made


def measure(frames: list[Frame], names: tuple[str, ...]) -> tuple[float, float, float]:
    """Milliseconds of wall clock and of processor time a picture on one thread, and kilobytes written a picture."""
    info = SourceInfo("benchmark", SIZE_WH, RATE_HZ, live=True)
    with tempfile.TemporaryDirectory() as folder:
        context = RecorderContext(Path(folder), RecordingClock(), DiskWatch(Path(folder)))
        sinks: list[Sink] = []
        for name in names:
            buffer = RollingBuffer(30, raw=True)
            sinks.append(buffer if name == "last 30 s" else VideoRecorder(Part(name), context))
        context.clock.open(info)
        for sink in sinks:
            sink.open(info)
        wall, processor = time.perf_counter(), time.process_time()
        for frame in frames:
            context.clock.write(frame)
            for sink in sinks:
                sink.write(sink.prepare(frame))
        for sink in sinks:
            sink.close()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        n_bytes = context.written + sum(sink.bytes for sink in sinks if isinstance(sink, RollingBuffer))
    return wall / len(frames) * 1e3, processor / len(frames) * 1e3, n_bytes / len(frames) / 1e3


def main() -> None:
    """Measure and print."""
    frames = pictures()
    rows = []
    for names in (("raw",), ("annotated",), ("last 30 s",), ("raw", "annotated", "last 30 s")):
        rounds = [measure(frames, names) for _ in range(ROUNDS)]
        wall, processor, kilobytes = (statistics.median(column) for column in zip(*rounds, strict=True))
        rows.append((" + ".join(names), f"{wall:.1f}", f"{processor:.1f}", f"{kilobytes:.0f}"))
    show("Recording at 1080p, a picture", ("parts", "wall ms", "CPU ms", "KB"), rows, encoder_choice().words)


if __name__ == "__main__":
    main()
