"""A film and stages for tests of analyses: what they find depends on the picture, and on what was before."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from scenescope.models import Detections, StageError, Tracks
from scenescope.models.maps import DenseMap
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.params import StageParams
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.stage import Stage, StageContext

__all__ = ["Dim", "Finder", "Follow", "Heat", "analysis_registry", "write_film"]


def write_film(
    path: Path, count: int = 60, size_wh: tuple[int, int] = (160, 120), rate: int = 30, seed: int = 0
) -> Path:
    """A film of bright squares that move over a dark ground, each at its own speed."""
    import av

    rng = np.random.default_rng(seed)
    starts, steps = rng.integers(0, 100, (3, 2)), rng.integers(1, 4, (3, 2))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"g": "12", "b": "2000000"})
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        for number in range(count):
            image = np.full((size_wh[1], size_wh[0], 3), 20, np.uint8)
            for shade, start, step in zip((120, 180, 240), starts, steps, strict=True):
                x, y = (start + number * step) % (size_wh[0] - 20, size_wh[1] - 20)
                image[y : y + 20, x : x + 20] = shade
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


class Finder(Stage, title="Finder", group="Test"):
    """Find bright areas. Stateless; ``seen`` counts the frames that it looked at."""

    seen: ClassVar[list[int]] = []
    gate: ClassVar[threading.Event] = threading.Event()

    class Params(StageParams):
        least: int = Field(90, ge=0, le=255, description="Darker pixels are no object.")
        label: str = Field("square", description="What they are called.")
        delay_s: float = Field(0.0, ge=0, description="Seconds that a frame takes.")
        hold_at: int = Field(-1, description="Frame at which it waits for the gate.")
        fail_from: int = Field(10**9, description="First frame that fails.")
        fail_times: int = Field(10**9, description="How many fail.")

    def process(self, frame: Frame) -> Frame:
        """The areas as boxes."""
        p = self.params
        self.seen.append(frame.index)
        if frame.index == p.hold_at:
            self.gate.wait(30)
        if p.fail_from <= frame.index < p.fail_from + p.fail_times:
            raise StageError(f"The finder cannot do frame {frame.index}.", hint="Give it another one.")
        time.sleep(p.delay_s)
        _, _, stats, _ = cv2.connectedComponentsWithStats((frame.image[:, :, 0] > p.least).astype(np.uint8))
        rows = stats[1:]
        xyxy = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]]).astype(np.float32)
        sure = np.clip(rows[:, 4] / 400, 0, 1).astype(np.float32)
        found = Detections(sure, np.zeros(len(rows), np.int64), (p.label,), xyxy)
        return frame.with_result(self.context.stage_id, found)


class Follow(Stage, title="Follow", group="Test", stateful=True):
    """Follow the boxes that were found, in a way that depends on all frames before."""

    def open(self, context: StageContext) -> None:
        """Begin with nothing."""
        self._sum, self._trail = 0.0, np.empty((0, 2), np.float32)

    def process(self, frame: Frame) -> Frame:
        """Boxes that are moved by what was before."""
        latest = frame.latest(Detections)
        if latest is None:
            return frame
        name, found = latest
        self._sum = self._sum * 0.9 + float(found.xyxy.sum()) / 1000
        self._trail = np.vstack([self._trail, [[self._sum, len(found)]]]).astype(np.float32)[-20:]
        ids = np.arange(len(found)) + int(self._sum)
        followed = Tracks(
            found.confidence, found.class_id, found.class_names, found.xyxy + np.float32(self._sum),
            track_id=ids, trail=(self._trail,) * len(found), follows=name,
        )  # fmt: skip
        return frame.with_result(self.context.stage_id, followed)


class Dim(Stage, title="Dim", group="Test", privacy=True):
    """Change the picture, by how many boxes were found before."""

    def process(self, frame: Frame) -> Frame:
        """A darker picture."""
        latest = frame.latest(Detections)
        if latest is None:
            raise StageError("There is nothing to go by.")
        return frame.with_image(frame.image // (2 + len(latest[1])))


class Heat(Stage, title="Heat", group="Test"):
    """Say how bright the picture is everywhere."""

    seen: ClassVar[list[int]] = []

    def process(self, frame: Frame) -> Frame:
        """What is bright."""
        self.seen.append(frame.index)
        values = cv2.resize(frame.image[:, :, 1], (8, 6), interpolation=cv2.INTER_AREA)
        return frame.with_result(self.context.stage_id, DenseMap.covering(values, frame.size_wh, "depth"))


def analysis_registry() -> Registry[Stage]:
    """A registry with the stages of this module beside the installed ones; counts begin anew."""
    registry: Registry[Stage] = Registry("scenescope.stages", Stage)
    for name, cls in {"finder": Finder, "follow": Follow, "dim": Dim, "heat": Heat}.items():
        registry.add(name, cls)
    Finder.seen, Heat.seen = [], []
    Finder.gate.clear()
    return registry
