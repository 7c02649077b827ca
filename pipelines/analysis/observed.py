"""Stages that are watched: what each one found in each frame, and what it found before, put in its place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenescope.models import ScenescopeError
from scenescope.models.wire import StoredFrame, is_storable, read
from scenescope.pipelines.frame import Frame, Result, Stamp
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.stage import Stage

if TYPE_CHECKING:
    from scenescope.pipelines.log.store import EventLog

__all__ = ["ObservedStages", "Recall", "Trace", "Traced"]

# More than frames can be under way at once.
RECALL_FRAMES = 256


@dataclass
class Traced:
    """What became of one frame: the results as each stage left them, by name, and which stages did what.

    Attributes:
        found: a result that a later stage replaced is still here as its own stage made it.
        ran: ids of the stages that came to their end.
        wrote: ids of those that left results of their own.
        changed: ids of those that changed the picture, or results of others, or left some that cannot be stored.
    """

    found: dict[str, Result] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    wrote: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


class Trace:
    """Notes of the frames under way, taken out by whoever comes behind the last stage. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[int, Traced] = {}

    def note(self, stage_id: str, before: Frame, after: Frame) -> None:
        """A stage has made ``after`` of ``before``."""
        new = {name: entry for name, entry in after.results.items() if before.results.get(name) is not entry}
        own = {name: entry for name, entry in new.items() if is_of(name, stage_id)}
        gone = before.results.keys() - after.results.keys()
        with self._lock:
            traced = self._frames.setdefault(before.index, Traced())
            traced.ran.add(stage_id)
            traced.found.update(own)
            if own:
                traced.wrote.add(stage_id)
            storable = all(is_storable(entry.value) for entry in own.values())
            if len(own) < len(new) or gone or after.image is not before.image or not storable:
                traced.changed.add(stage_id)

    def take(self, index: int) -> Traced:
        """The notes of a frame, which are forgotten here."""
        with self._lock:
            return self._frames.pop(index, None) or Traced()

    def forget_before(self, index: int) -> None:
        """Drop the notes of frames that were lost on the way."""
        with self._lock:
            for old in [one for one in self._frames if one < index]:
                del self._frames[old]


def is_of(name: str, stage_id: str) -> bool:
    """True when a result is a stage's own: it has its id for a name, or a part of it such as "face_mesh.gaze"."""
    return name == stage_id or name.startswith(f"{stage_id}.")


class Recall:
    """What an interrupted run of the same session has stored, frame by frame. Any thread.

    Args:
        log: where it is.
        session_id: of the session.
        end: number of the first frame that is not stored; 0 when nothing is.
    """

    def __init__(self, log: EventLog, session_id: int, end: int) -> None:
        self.end = end
        self._log = log
        self._session_id = session_id
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, StoredFrame | None] = OrderedDict()
        last = self._read(end - 1) if end else None
        self._rerun = frozenset(last.rerun) if last else frozenset()

    def of(self, index: int, stage_id: str) -> dict[str, Result]:
        """Results of a stage in a frame as they were; empty when the stage must run."""
        if index >= self.end or stage_id in self._rerun:
            return {}
        with self._lock:
            if index not in self._frames:
                self._frames[index] = self._read(index)
                if len(self._frames) > RECALL_FRAMES:
                    self._frames.popitem(last=False)
            stored = self._frames[index]
        results = stored.results if stored else {}
        return {
            name: Result(one.value, one.to_source, Stamp(one.stamp_index, 0.0))
            for name, one in results.items()
            if is_of(name, stage_id)
        }

    def _read(self, index: int) -> StoredFrame | None:
        record = self._log.frame(self._session_id, index)
        try:
            return read(record.results) if record is not None else None
        except ScenescopeError:
            # A damaged record is as good as none: the stage runs again.
            return None


class ObservedStages(Registry[Stage]):
    """Another registry's stages, each of which notes what it does and may be given what it found before.

    Stages without state are not run on frames of which their results are recalled; those with state always are, so
    that they come to where they were.

    Args:
        registry: where the stages are.
        trace: takes the notes.
        recall: what is stored already; None when nothing is.
    """

    def __init__(self, registry: Registry[Stage], trace: Trace, recall: Recall | None = None) -> None:
        super().__init__(registry.group, registry.base)
        self._registry = registry
        self._trace = trace
        self._recall = recall
        self._made: dict[type[Stage], type[Stage]] = {}

    def get(self, name: str) -> type[Stage]:
        """The watched class of that name."""
        cls = self._registry.get(name)
        with self._lock:
            return self._made.setdefault(cls, self._observed(cls))

    def _observed(self, cls: type[Stage]) -> type[Stage]:
        trace, recall = self._trace, self._recall if not cls.info.stateful else None

        def process(self: Any, frame: Frame) -> Frame:
            stage_id = self.context.stage_id
            known = recall.of(frame.index, stage_id) if recall is not None else {}
            after: Frame = frame.with_results(_restamped(known, frame)) if known else cls.process(self, frame)
            # What breaks the contract is the host's to complain of.
            if isinstance(after, Frame) and after.stamp == frame.stamp:
                trace.note(stage_id, frame, after)
            return after

        made: type[Stage] = type(
            cls.__name__, (cls,), {"process": process, "__module__": cls.__module__, "__doc__": cls.__doc__}
        )
        made.info = cls.info
        return made


def _restamped(results: dict[str, Result], frame: Frame) -> dict[str, Result]:
    """Recalled results as of now: found in this frame when they were found in it."""
    return {
        name: Result(
            one.value, one.to_source, Stamp(one.stamp.index, frame.captured_s if one.stamp.index == frame.index else 0)
        )
        for name, one in results.items()
    }
