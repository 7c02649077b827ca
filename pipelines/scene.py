"""SceneObserver: a sink that keeps :class:`SceneState` up to date from the frames that pass."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

from scenescope.models import Detections, Tracks, ZoneMeasures
from scenescope.pipelines.frame import Frame, Image
from scenescope.pipelines.scene_look import colour_name, motion_name
from scenescope.pipelines.scene_state import (
    MAX_SOURCE_CHARS,
    LabelMemory,
    SceneEvent,
    SceneEventKind,
    SceneState,
    SceneTrack,
    clean_text,
    zone_of,
)
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["SLOW_SOURCE_HZ", "SceneObserver", "same_place"]

# Bounds of what is remembered, so that a camera can run for weeks.
MAX_TRACKS = 1000
MAX_LABELS = 1000
KEPT_EVENTS = 50
KEPT_GONE = 100
PATH_POINTS = 12

PATH_STEP_S = 0.1
COLOUR_LOOKS = 3
COLOUR_STEP_S = 2.0
SLOW_SOURCE_HZ = 2.0
SAME_PLACE_IOU = 0.5
EPSILON_S = 1e-6

Key = int | tuple[str, int]
Box = tuple[float, float, float, float]


@dataclass
class _Object:
    """What is being gathered about one object; a candidate until ``confirmed``."""

    label: str
    track_id: int | None
    first_s: float
    first_frame: int
    first_xyxy: Box
    last_s: float = 0.0
    last_frame: int = 0
    xyxy: Box = (0.0, 0.0, 0.0, 0.0)
    confidence: float = 0.0
    confirmed: bool = False
    seen_for_s: float = 0.0
    votes: Counter[str] = field(default_factory=Counter)
    path: deque[tuple[float, Box]] = field(default_factory=lambda: deque(maxlen=PATH_POINTS))
    colour: str = ""
    colour_looks: int = 0
    colour_next_s: float = 0.0
    inside: tuple[str, ...] = ()

    def see(self, now_s: float, frame_index: int, label: str, confidence: float, xyxy: Box) -> None:
        self.last_s, self.last_frame, self.confidence, self.xyxy = now_s, frame_index, confidence, xyxy
        self.votes[label] += 1
        if not self.path or now_s - self.path[-1][0] >= PATH_STEP_S - EPSILON_S:
            self.path.append((now_s, xyxy))


class SceneObserver(Sink):
    """Watches what the detector or the tracker reports and remembers it as a scene.

    It follows the last :class:`~scenescope.models.Tracks` of a frame, or, when there is no tracker, counts the last
    :class:`~scenescope.models.Detections` by label. All times are media time, so the same file gives the same events
    at any speed. An object that flickers makes no event: it has appeared once it has been seen for ``appear_s`` more
    than it was missed, and has vanished once it was missed for ``vanish_s``. A source of still pictures (one picture,
    or at most two a second) is taken as it is, without waiting.

    It misses frames rather than slow the pipeline down: what it concludes needs no single frame.

    Args:
        appear_s: how long an object must be seen to count.
        vanish_s: how long it must be missed to be gone.
        jump_s: a longer gap between two frames, or a step back, is a jump: what was there is forgotten, without
            the claim that it vanished.
        on_event: called with every event as it becomes certain, on the thread that writes, and with the object's box
            as fractions of width and height. It must not call back.
        on_colour: called with the number of a track and the name of its colour, when that was seen; likewise.
    """

    lossless: ClassVar[bool] = False

    def __init__(
        self,
        *,
        appear_s: float = 0.5,
        vanish_s: float = 1.5,
        jump_s: float = 5.0,
        on_event: Callable[[SceneEvent, Box | None], None] | None = None,
        on_colour: Callable[[int, str], None] | None = None,
    ) -> None:
        self._wanted_s = (appear_s, vanish_s)
        self._wanted_jump_s = jump_s
        self._on_event = on_event
        self._on_colour = on_colour
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[bool], None], ...] = ()
        self._session = 0
        self._state: SceneState | None = None
        self._reset(SourceInfo("", (0, 0), 0.0, live=False))

    # The sink ----------------------------------------------------------------------------------------------------

    def open(self, info: SourceInfo) -> None:
        """Begin anew with another source."""
        with self._lock:
            self._session += 1
            self._reset(info)

    def write(self, prepared: Any) -> None:
        """Take the next frame."""
        with self._lock:
            self._take(prepared)
        for listener in self._listeners:
            listener(False)

    def close(self) -> None:
        """The source has ended: tell the listeners, who may have put something off."""
        for listener in self._listeners:
            listener(True)

    # For readers -------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Be called after every frame, on the thread of the sink; with True once the source has ended.

        Returns:
            What ends the subscription.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    @property
    def vanish_s(self) -> float:
        """How long an object of the open source must be missed to be gone."""
        return self._vanish_s

    @property
    def settled_s(self) -> float:
        """All that happened before this time has been told."""
        with self._lock:
            now_s = self._now_s or 0.0
            open_s = (known.last_s if known.confirmed else known.first_s for known in self._objects.values())
            return min([now_s, now_s if self._reported_s is None else self._reported_s, *open_s])

    @property
    def news(self) -> tuple[int, int, bool]:
        """``session``, ``event_count`` and ``watching`` of the state, without making one."""
        with self._lock:
            return self._session, self._event_count, self._watching

    @property
    def state(self) -> SceneState:
        """The scene now. Made when it is asked for, at most once a frame."""
        with self._lock:
            if self._state is None:
                self._state = self._snapshot()
            return self._state

    # Taking a frame ----------------------------------------------------------------------------------------------

    def _reset(self, info: SourceInfo) -> None:
        self._info = replace(info, name=clean_text(info.name, MAX_SOURCE_CHARS) if info.name else "")
        # A tracker gives no numbers to what it sees only once.
        self._tracked = info.frame_count != 1
        stills = info.frame_count == 1 or 0 < info.rate_hz <= SLOW_SOURCE_HZ
        self._appear_s, self._vanish_s = (0.0, 0.0) if stills else self._wanted_s
        self._jump_s = math.inf if stills else max(self._wanted_jump_s, self._vanish_s)
        self._aspect = 1.0
        self._objects: dict[Key, _Object] = {}
        self._memory: dict[str, LabelMemory] = {}
        self._gone: deque[SceneTrack] = deque(maxlen=KEPT_GONE)
        self._events: deque[SceneEvent] = deque(maxlen=KEPT_EVENTS)
        self._event_count = 0
        self._now_s: float | None = None
        self._captured_s: float | None = None
        self._began_s: float | None = None
        self._since_s = 0.0
        self._frame_index = -1
        self._stamp_index: int | None = None
        self._reported_s: float | None = None
        self._watching = False
        self._names: tuple[str, ...] = ()
        self._known: tuple[str, ...] = ()
        self._state = None

    def _take(self, frame: Frame) -> None:
        self._state = None
        latest: tuple[str, Detections] | None = frame.latest(Tracks) or frame.latest(Detections)
        before_s, self._frame_index = self._now_s, frame.index
        now_s = self._now_s = frame.pts_s
        self._captured_s = frame.captured_s
        if before_s is None:
            self._since_s = now_s
        elif now_s < before_s - EPSILON_S or now_s > before_s + self._jump_s:
            self._forget(SceneEventKind.JUMPED, now_s, frame.index)
            before_s = None
        if latest is None:
            reported_s = self._reported_s
            if self._watching and (reported_s is None or now_s - reported_s >= self._vanish_s - EPSILON_S):
                self._forget(SceneEventKind.BLIND, now_s, frame.index)
                self._watching = False
            return
        stamp = frame.results[latest[0]].stamp
        if stamp.index == self._stamp_index and stamp.index != frame.index:
            return  # A slow stage has nothing newer yet.
        self._stamp_index = stamp.index
        # What a slow stage found belongs to the earlier picture that it looked at.
        seen_s = now_s if stamp.index == frame.index else now_s - max(frame.captured_s - stamp.captured_s, 0.0)
        step_s = max(seen_s - self._reported_s, 0.0) if self._reported_s is not None and before_s is not None else 0.0
        if not self._watching:
            self._watching, self._since_s = True, seen_s
            self._began_s = seen_s if self._began_s is None else self._began_s
        self._see(frame, latest[1], seen_s, stamp.index, step_s)
        self._reported_s = seen_s

    def _see(self, frame: Frame, found: Detections, now_s: float, frame_index: int, step_s: float) -> None:
        width, height = frame.size_wh
        self._aspect = width / height
        seen: set[Key] = set()
        for key, label, confidence, (x1, y1, x2, y2) in self._rows(found):
            box = (x1 / width, y1 / height, x2 / width, y2 / height)
            known = self._objects.get(key)
            if known is None:
                if len(self._objects) >= MAX_TRACKS:
                    continue
                track_id = key if isinstance(key, int) else None
                known = self._objects[key] = _Object(label, track_id, now_s, frame_index, box)
            else:
                known.seen_for_s += step_s
            known.see(now_s, frame_index, label, confidence, box)
            seen.add(key)
            if known.confirmed:
                self._rename(known)
        for key, known in list(self._objects.items()):
            if not known.confirmed:
                self._judge_candidate(key, known, key in seen, step_s)
            elif key not in seen and now_s - known.last_s >= self._vanish_s - EPSILON_S:
                self._vanish(key, known)
        self._look_at_zones(frame)
        if not frame.edited:
            self._look_at_colours(frame.image, now_s, seen)

    def _rows(self, found: Detections) -> Iterator[tuple[Key, str, float, Box]]:
        """Every object with the key that recognises it in the next frame."""
        if found.class_names is not self._names:
            self._names = found.class_names
            self._known = tuple(dict.fromkeys(clean_text(name) for name in found.class_names))
        labels = [clean_text(name) for name in found.labels]
        columns = zip(labels, found.confidence.tolist(), found.xyxy.tolist(), strict=True)
        if isinstance(found, Tracks) and self._tracked:
            for number, (label, confidence, xyxy) in zip(found.track_id.tolist(), columns, strict=True):
                if number >= 0:
                    yield number, label, confidence, xyxy
            return
        # Without a tracker only the number of each label is known: the n-th cup from the left is "cup n".
        numbers: Counter[str] = Counter()
        for label, confidence, xyxy in sorted(columns, key=lambda row: row[2][0]):
            numbers[label] += 1
            yield (label, numbers[label]), label, confidence, xyxy

    def _judge_candidate(self, key: Key, known: _Object, seen: bool, step_s: float) -> None:
        if not seen:
            known.seen_for_s -= step_s
            if known.seen_for_s <= EPSILON_S:
                del self._objects[key]
            return
        if known.seen_for_s < self._appear_s - EPSILON_S:
            return
        known.confirmed = True
        known.label = known.votes.most_common(1)[0][0]
        lost = self._lost_in_the_same_place(known)
        if lost is not None:
            # The tracker lost it and found it again under another number: nothing has happened in the scene.
            former = self._objects.pop(lost)
            known.first_s, known.first_frame = former.first_s, former.first_frame
        else:
            self._tell(SceneEventKind.APPEARED, known.first_s, known.first_frame, known, known.first_xyxy)
        self._remember(known)

    def _lost_in_the_same_place(self, known: _Object) -> Key | None:
        for key, other in self._objects.items():
            lost = other.confirmed and other is not known and other.last_s < known.first_s - EPSILON_S
            if lost and other.label == known.label and same_place(other.xyxy, known.first_xyxy):
                return key
        return None

    def _rename(self, known: _Object) -> None:
        if known.votes.total() > 60:
            known.votes = Counter({label: votes // 2 for label, votes in known.votes.items() if votes > 1})
        if len(known.votes) < 2:
            return
        label, votes = known.votes.most_common(1)[0]
        if label != known.label and votes > 2 * known.votes[known.label]:
            was, known.label = known.label, label
            self._tell(SceneEventKind.RENAMED, known.last_s, known.last_frame, known, known.xyxy, was)
            self._remember(known)

    def _vanish(self, key: Key, known: _Object) -> None:
        del self._objects[key]
        self._remember(known)
        self._gone.append(self._track(known))
        self._tell(SceneEventKind.VANISHED, known.last_s, known.last_frame, known, known.xyxy)

    def _forget(self, kind: SceneEventKind, now_s: float, frame_index: int) -> None:
        for known in self._objects.values():
            if known.confirmed:
                self._remember(known)
        self._objects.clear()
        self._reported_s = None
        self._since_s = now_s
        self._append(SceneEvent(kind, now_s, frame_index))

    def _remember(self, known: _Object) -> None:
        last = (known.last_s, known.last_frame, known.track_id)
        old = self._memory.get(known.label)
        if old is None:
            if len(self._memory) < MAX_LABELS:
                first = (known.first_s, known.first_frame, known.track_id)
                self._memory[known.label] = LabelMemory(*first, *last)
            return
        first = (old.first_s, old.first_frame, old.first_track_id)
        if known.first_s < old.first_s:
            first = (known.first_s, known.first_frame, known.track_id)
        self._memory[known.label] = LabelMemory(*first, *last)

    def _tell(
        self, kind: SceneEventKind, pts_s: float, frame_index: int, known: _Object, xyxy: Box, was: str = ""
    ) -> None:
        zone = zone_of(*_centre(xyxy))
        self._append(SceneEvent(kind, pts_s, frame_index, known.label, known.track_id, zone, was), xyxy)

    def _append(self, event: SceneEvent, xyxy: Box | None = None) -> None:
        self._events.append(event)
        self._event_count += 1
        if self._on_event is not None:
            self._on_event(event, xyxy)

    def _look_at_zones(self, frame: Frame) -> None:
        """Take over which zones the tracks of this frame are in, from the stages that know."""
        inside: dict[int, tuple[str, ...]] = {}
        for entry in frame.results.values():
            if isinstance(entry.value, ZoneMeasures) and entry.stamp.index == frame.index:
                for number, names in zip(entry.value.track_id.tolist(), entry.value.inside, strict=True):
                    inside[number] = (*inside.get(number, ()), *names)
        for number, names in inside.items():
            if number in self._objects:
                self._objects[number].inside = names

    def _look_at_colours(self, image: Image, now_s: float, seen: set[Key]) -> None:
        """Name the colour of tracks, each a few times in its life; a picture that a stage has changed shows others."""
        for key in seen:
            known = self._objects.get(key)
            if known is None or not known.confirmed or known.track_id is None or known.colour_looks >= COLOUR_LOOKS:
                continue
            if known.colour_looks == 0 or now_s >= known.colour_next_s:
                if name := colour_name(image, known.xyxy):
                    known.colour = name
                    if self._on_colour is not None:
                        self._on_colour(known.track_id, name)
                known.colour_looks += 1
                known.colour_next_s = now_s + COLOUR_STEP_S

    # The snapshot ------------------------------------------------------------------------------------------------

    def _track(self, known: _Object) -> SceneTrack:
        return SceneTrack(
            track_id=known.track_id,
            label=known.label,
            confidence=known.confidence,
            zone=zone_of(*_centre(known.xyxy)),
            age_s=known.last_s - known.first_s,
            motion=motion_name(known.path, self._aspect) if known.track_id is not None else "",
            colour=known.colour,
            first_s=known.first_s,
            first_frame=known.first_frame,
            last_s=known.last_s,
            last_frame=known.last_frame,
            xyxy=known.xyxy,
            inside=known.inside,
        )

    def _snapshot(self) -> SceneState:
        present = [known for known in self._objects.values() if known.confirmed]
        for known in sorted(present, key=lambda k: k.last_s):
            self._remember(known)
        tracks = sorted(map(self._track, present), key=lambda t: (t.track_id or 0, t.label, t.xyxy))
        counts = Counter(track.label for track in tracks)
        return SceneState(
            source=self._info.name,
            live=self._info.live,
            session=self._session,
            pts_s=self._now_s or 0.0,
            frame_index=self._frame_index,
            began_s=self._began_s or 0.0,
            since_s=self._since_s,
            watching=self._watching,
            known_labels=self._known,
            tracks=tuple(tracks),
            counts=MappingProxyType(dict(counts.most_common())),
            events=tuple(self._events),
            event_count=self._event_count,
            memory=MappingProxyType(dict(self._memory)),
            gone=tuple(self._gone),
            captured_s=self._captured_s,
        )


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def same_place(a: Box, b: Box) -> bool:
    """Whether two boxes cover each other so far that one object may be in both."""
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    total = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return total > 0 and shared / total >= SAME_PLACE_IOU
