"""What a headless run puts round a source and behind a pipeline: a limit of frames, and the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.jsonl import FoundObject, found_objects
from scenescope.pipelines.source import Source, SourceInfo

__all__ = ["FirstFrames", "Tally"]


class FirstFrames(Source):
    """The first ``count`` frames of another source."""

    def __init__(self, source: Source, count: int) -> None:
        self.live = source.live
        self._source = source
        self._count = count
        self._given = 0

    @property
    def time_base(self) -> Fraction | None:
        """The source's clock, if it has one."""
        return getattr(self._source, "time_base", None)

    def open(self) -> SourceInfo:
        """Open the source."""
        info = self._source.open()
        count = self._count if info.frame_count is None else min(info.frame_count, self._count)
        return replace(info, frame_count=count)

    def read(self) -> Frame | None:
        """The next frame; None after the last of them."""
        if self._given >= self._count:
            return None
        frame = self._source.read()
        self._given += frame is not None
        return frame

    def interrupt(self) -> None:
        """Make a waiting ``read`` return."""
        self._source.interrupt()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Tally(Sink):
    """Counts what passes."""

    def __init__(self) -> None:
        self.frames = 0
        self._labels: Counter[str] = Counter()
        self._tracks: dict[tuple[str, int], Counter[str]] = {}

    def prepare(self, frame: Frame) -> list[FoundObject]:
        """The frame's objects."""
        return list(found_objects(frame))

    def write(self, prepared: list[FoundObject]) -> None:
        """Count them."""
        self.frames += 1
        for found in prepared:
            self._labels[found.label] += 1
            if found.track_id is not None:
                self._tracks.setdefault((found.result, found.track_id), Counter())[found.label] += 1

    def labels(self) -> dict[str, int]:
        """Objects found by label, the most frequent first."""
        return dict(self._labels.most_common())

    def tracks(self) -> dict[str, int]:
        """Confirmed tracks by the label that each had most often, the most frequent first."""
        return dict(Counter(votes.most_common(1)[0][0] for votes in self._tracks.values()).most_common())
