"""A film with what an analysis found in it: overlays without running a network again."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenescope.models import Detections, ScenescopeError
from scenescope.models.wire import StoredFrame, read
from scenescope.pipelines.analysis._before import check_same_file
from scenescope.pipelines.analysis.film import IndexedFilm
from scenescope.pipelines.analysis.observed import is_of
from scenescope.pipelines.frame import Frame, Result, Stamp
from scenescope.pipelines.log.records import Session
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from scenescope.pipelines.log.store import EventLog

__all__ = ["Recorded", "Replay", "replay_spec"]


@dataclass(frozen=True)
class Recorded:
    """Stages of an analysis that need not run again: their results are stored, and they left the picture as it was.

    ``boxes`` names those of them that found objects with boxes.
    """

    stage_ids: frozenset[str] = frozenset()
    boxes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, log: EventLog, session_id: int) -> Recorded:
        """Those of a session.

        Raises:
            ScenescopeError: what is stored is damaged.
        """
        numbers = log.frame_numbers(session_id)
        record = log.frame(session_id, int(numbers[-1])) if len(numbers) else None
        if record is None:
            return cls()
        stored = read(record.results)
        stage_ids = frozenset(stored.wrote) - frozenset(stored.rerun)
        found = [name for name, one in stored.results.items() if isinstance(one.value, Detections)]
        boxes = frozenset(stage_id for stage_id in stage_ids if any(is_of(name, stage_id) for name in found))
        return cls(stage_ids, boxes)


def replay_spec(spec: PipelineSpec, recorded: Recorded) -> PipelineSpec:
    """The pipeline to show a :class:`Replay` with.

    Stages whose results are recorded are left out. Those that change the picture stay, above all those that hide
    something; one that takes "the latest boxes before it" is told which stage that was, since now all results are there
    from the beginning.
    """
    kept = []
    latest = ""
    for stage in spec.stages:
        if stage.enabled and stage.id in recorded.stage_ids:
            latest = stage.id if stage.id in recorded.boxes else latest
            continue
        unnamed = stage.kind == "redact" and not stage.params.get("of_stage")
        more = {"of_stage": latest} if unnamed and latest else {}
        kept.append(stage.model_copy(update={"params": {**stage.params, **more}}))
    return spec.model_copy(update={"stages": tuple(kept)})


class Replay(IndexedFilm):
    """A video file whose frames carry the results of an analysis; outside the analysed range they carry none.

    Run it with the pipeline that :func:`replay_spec` gives.

    Args:
        log: holds the results.
        session: the analysis.
        path: where the file is now; None for where it was.

    Attributes:
        problem: why some results are missing, in a sentence; empty when none are.
    """

    def __init__(self, log: EventLog, session: Session, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(path if path is not None else session.source)
        self.session = session
        self.problem = ""
        self._log = log

    def open(self) -> SourceInfo:
        """Open the file.

        Raises:
            SourceError: as :class:`VideoFile`, or it is not the file any more that was analysed.
        """
        info = super().open()
        check_same_file(self.path, self.session.fingerprint)
        return info

    def read(self) -> Frame | None:
        """The next picture with its results."""
        frame = super().read()
        return None if frame is None else self._with_results(frame)

    def read_at(self, index: int, stale: Callable[[], bool] = lambda: False) -> Frame | None:
        """Picture number ``index`` with its results."""
        frame = super().read_at(index, stale)
        return None if frame is None else self._with_results(frame)

    def _with_results(self, frame: Frame) -> Frame:
        try:
            record = self._log.frame(self.session.id, frame.index)
            stored = StoredFrame({}) if record is None else read(record.results)
        except ScenescopeError as error:
            # Without results the film goes on; a stage that hides what they say hides everything.
            self.problem = str(error)
            return frame
        results = {
            name: Result(one.value, one.to_source, _stamp(one.stamp_index, frame))
            for name, one in stored.results.items()
        }
        return frame.with_results(results) if results else frame


def _stamp(index: int, frame: Frame) -> Stamp:
    # What was found in this very picture never gets old, however long the picture is held.
    return Stamp(index, math.inf if index == frame.index else frame.captured_s)
