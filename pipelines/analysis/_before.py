"""What is found out before an analysis begins: whether it can, how long it will be, and what of it is there already."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenescope.models import EventKind, SourceError, SpecError
from scenescope.pipelines.analysis.sink import Stored
from scenescope.pipelines.log.records import EventQuery, NewSession
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage

__all__ = ["check_range", "check_same_file", "check_spec", "expected_frames", "look_into", "stored_of"]

# Told by people; everything else is the run's own.
_NOT_OURS = (EventKind.MARK, EventKind.CAPTION)


def check_spec(spec: PipelineSpec, registry: Registry[Stage]) -> None:
    """See that every stage that is on can be had.

    Raises:
        SpecError: no stage is on, or a parameter is wrong.
        PluginError: a stage is not installed.
    """
    wanted = [stage for stage in spec.stages if stage.enabled]
    if not wanted:
        raise SpecError("The pipeline has no stage that is switched on.", hint="Add a stage that finds something.")
    for stage in wanted:
        registry.get(stage.kind).validated(stage.params)


def look_into(path: Path) -> SourceInfo:
    """What is known of a file once it is open.

    Raises:
        SourceError: it cannot be read.
    """
    source = VideoFile(path)
    try:
        return source.open()
    finally:
        source.close()


def check_range(path: Path, info: SourceInfo, start_s: float | None, end_s: float | None) -> None:
    """See that there is something in a range.

    Raises:
        SourceError: there is not.
    """
    begin, length = start_s or 0.0, info.duration_s
    if end_s is not None and end_s <= begin:
        raise SourceError("The range ends before it begins.", hint="Move its end behind its beginning.", permanent=True)
    if length is not None and begin >= length:
        raise SourceError(
            f"{path.name} is {length:.2f} s long, so there is nothing at {begin:.2f} s.",
            hint="Choose an earlier beginning.",
            permanent=True,
        )


def check_same_file(path: Path, fingerprint: str) -> None:
    """See that a file is the one that was analysed.

    Raises:
        SourceError: it is another one, or cannot be read.
    """
    if content_fingerprint(path) != fingerprint:
        raise SourceError(
            f"{path.name} is not the file any more that was analysed.",
            hint="Put the original file back, or start a new analysis of this one.",
            permanent=True,
        )


def expected_frames(session: NewSession, info: SourceInfo) -> int:
    """How many frames a session's range is likely to have; 0 when that is not known."""
    if session.start_s is None and session.end_s is None and info.frame_count is not None:
        return info.frame_count
    length = info.duration_s or session.end_s
    if length is None:
        return 0
    seconds = min(session.end_s or length, length) - (session.start_s or 0.0)
    return max(round(seconds * info.rate_hz), 0)


def stored_of(log: EventLog, session_id: int) -> Stored:
    """What a session holds already, up to the first frame that is missing."""
    numbers = log.frame_numbers(session_id)
    if not len(numbers):
        return Stored()
    gaps = np.flatnonzero(np.diff(numbers) != 1)
    count = int(gaps[0]) + 1 if len(gaps) else len(numbers)
    ours = tuple(kind for kind in EventKind if kind not in _NOT_OURS)
    return Stored(int(numbers[0]) + count, log.count(EventQuery(session_id=session_id, kinds=ours)))
