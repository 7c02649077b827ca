"""What a model may say: the things, counts, numbers and times of the scene and of what tools have looked up."""

from __future__ import annotations

import bisect
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scenescope.app.assistant.checks_mentions import Said, mentions
from scenescope.app.assistant.checks_numbers import Measure, numbers
from scenescope.app.assistant.checks_text import Kind, sentences, tokens
from scenescope.app.assistant.checks_words import Forms, Lexicon
from scenescope.app.assistant.words import Target
from scenescope.models.language import Evidence, ToolResult
from scenescope.pipelines.scene_state import SceneEventKind, SceneState, SceneTrack

__all__ = ["Known", "Moment", "Numbers", "Result", "known_from"]

MAX_NODES = 20_000
MAX_NAMES = 200
MAX_NAME_CHARS = 80
MAX_TEXT_CHARS = 20_000
_ROUNDING = 1e-6
_TIME_KEYS = frozenset({"t", "time", "seconds", "duration", "pts", "start", "end", "since", "until"})
_FRAME_KEYS = frozenset({"frame", "frames", "frame_index"})
_NAME_KEYS = frozenset(
    {"name", "names", "zone", "zones", "line", "lines", "source", "title", "id", "stage", "stage_id", "kind"}
)
_ID_KEYS = frozenset({"id", "ids", "track", "track_id", "track_ids"})
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”')


class Numbers:
    """Numbers to be found again as a text rounds them."""

    def __init__(self) -> None:
        self._values: set[float] = set()
        self._sorted: list[float] | None = None

    def add(self, *values: float) -> None:
        """Add some; those that are no numbers are left out."""
        self._values.update(value for value in values if math.isfinite(value))
        self._sorted = None

    def has(self, value: float, step: float, up_to: float = 0.5) -> bool:
        """Whether one rounds to ``value``; ``up_to=1`` when the text may also have cut it off."""
        if self._sorted is None:
            self._sorted = sorted(self._values)
        index = bisect.bisect_left(self._sorted, value - step / 2 - _ROUNDING)
        return index < len(self._sorted) and self._sorted[index] <= value + step * up_to + _ROUNDING

    def exactly(self, value: float) -> bool:
        """Whether it is one of them."""
        return value in self._values


@dataclass(frozen=True)
class Moment:
    """A time that something happened; no evidence when it is not known in which picture."""

    pts_s: float
    evidence: Evidence | None


@dataclass
class Result:
    """What one tool has looked up.

    Attributes:
        labels: the classes that it is about.
        found: of them, those that it says were there.
        counts: by class, how many it says; ``by_word`` by any other key: "in", "out".
        numbers: all other numbers that count something.
    """

    labels: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    counts: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    by_word: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    numbers: set[float] = field(default_factory=set)


@dataclass
class Known:
    """All that may be said.

    Attributes:
        now: the labels that are in the picture.
        before: the labels of the events and tracks that are kept; ``ever`` of all that was seen.
        tracks: those in the picture.
        happened: by label, how many came and how many went lately.
        results: of the tools.
        plain, shares, percent, ids, frames, durations: the numbers of each kind.
        moments: the times.
        names: names that hold a number, in lower case: "Line 1".
    """

    scene: SceneState
    now: Counter[str] = field(default_factory=Counter)
    before: set[str] = field(default_factory=set)
    ever: set[str] = field(default_factory=set)
    tracks: tuple[SceneTrack, ...] = ()
    happened: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    results: list[Result] = field(default_factory=list)
    plain: Numbers = field(default_factory=Numbers)
    shares: Numbers = field(default_factory=Numbers)
    percent: Numbers = field(default_factory=Numbers)
    ids: Numbers = field(default_factory=Numbers)
    frames: Numbers = field(default_factory=Numbers)
    durations: Numbers = field(default_factory=Numbers)
    moments: list[Moment] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def count(self, *values: float) -> None:
        """Add numbers that count or measure something. A share, 0.87, is not rounded to a whole number."""
        for value in values:
            (self.shares if 0 < abs(value) < 1 else self.plain).add(value)

    def counts(self, value: float, step: float) -> bool:
        """Whether some number rounds to ``value``."""
        return self.plain.has(value, step) or (step < 1 and self.shares.has(value, step))

    def moment(self, first_s: float, last_s: float, near_s: float) -> Moment | None:
        """Of the moments between two times the one nearest to a third, one with evidence if possible."""
        fitting = [m for m in self.moments if first_s - _ROUNDING <= m.pts_s <= last_s + _ROUNDING]
        return min(fitting, key=lambda m: (m.evidence is None, abs(m.pts_s - near_s)), default=None)


def known_from(scene: SceneState, results: Collection[ToolResult], forms: Forms, words: Lexicon) -> Known:
    """Put together what the scene and the results say."""
    known = Known(scene)
    _add_scene(known)
    for result in results:
        known.results.append(_Reading(known, forms, words).read(result))
    return known


# The scene ---------------------------------------------------------------------------------------------------------


def _add_scene(known: Known) -> None:
    scene = known.scene
    known.now = Counter(scene.counts) or Counter(track.label for track in scene.tracks)
    known.tracks = scene.tracks
    known.names.add(scene.source.casefold())
    known.frames.add(scene.frame_index)
    _moment(known, scene.pts_s, scene.frame_index if scene.frame_index >= 0 else None)
    _moment(known, scene.began_s)
    _moment(known, scene.since_s)
    for track in (*scene.tracks, *scene.gone):
        _track(known, track)
    known.before.update(track.label for track in scene.gone)
    came: dict[tuple[SceneEventKind, str], int] = Counter((event.kind, event.label) for event in scene.events)
    for (_, label), number in came.items():
        known.happened[label].add(number)
    for event in scene.events:
        known.before.update(filter(None, (event.label, event.was)))
        known.frames.add(event.frame_index)
        _moment(known, event.pts_s, event.frame_index, event.track_id)
    for label, memory in scene.memory.items():
        known.ever.add(label)
        _moment(known, memory.first_s, memory.first_frame, memory.first_track_id)
        _moment(known, memory.last_s, memory.last_frame, memory.last_track_id)
    known.ever |= known.before
    seen = len(scene.memory) if scene.memory else len(known.now)
    known.count(sum(known.now.values()), len(known.now), len(scene.known_labels), seen, *known.now.values())
    known.count(*(number for numbers_ in known.happened.values() for number in numbers_), len(scene.events))


def _track(known: Known, track: SceneTrack) -> None:
    if track.track_id is not None:
        known.ids.add(track.track_id)
    known.count(track.confidence)
    known.percent.add(track.confidence * 100)
    known.durations.add(track.age_s, track.last_s - track.first_s, known.scene.pts_s - track.first_s)
    known.frames.add(track.first_frame, track.last_frame)
    _moment(known, track.first_s, track.first_frame, track.track_id)
    _moment(known, track.last_s, track.last_frame, track.track_id)


def _moment(known: Known, pts_s: float, frame: int | None = None, track_id: int | None = None) -> None:
    if math.isfinite(pts_s):
        known.moments.append(Moment(pts_s, None if frame is None else Evidence(frame, pts_s, track_id)))
        known.durations.add(known.scene.pts_s - pts_s)


# Results -----------------------------------------------------------------------------------------------------------


class _Reading:
    """Reads one result of a tool: its data, its sentence and its evidence."""

    def __init__(self, known: Known, forms: Forms, words: Lexicon) -> None:
        self._known, self._forms, self._words = known, forms, words
        self._result = Result()

    def read(self, result: ToolResult) -> Result:
        for shown in result.evidence:
            self._known.moments.append(Moment(shown.pts_s, shown))
            self._known.frames.add(shown.frame_index)
            self._known.durations.add(self._known.scene.pts_s - shown.pts_s)
            if shown.track_id is not None:
                self._known.ids.add(shown.track_id)
        self._sentence(result.text)
        self._data(result.value)
        return self._result

    def _sentence(self, text: str) -> None:
        """The sentence of a tool is made by the app; what it quotes is not."""
        for quoted in _QUOTED.findall(text[:MAX_TEXT_CHARS]):
            self._text(quoted.strip('"“”'))
        for sentence in sentences(tokens(_QUOTED.sub(" ", text[:MAX_TEXT_CHARS]))):
            things = mentions(sentence, self._forms, self._words)
            for thing in things:
                self._result.labels.update(thing.target.labels)
                if thing.said is not Said.DENIED:
                    self._result.found.update(thing.target.labels)
            for number in numbers(sentence, things, self._words):
                if number.measure is Measure.COUNT and number.mention is not None:
                    for label in number.mention.target.labels:
                        self._result.counts[label].add(number.value)
                    self._known.count(number.value)
                elif number.measure is Measure.TRACK:
                    self._known.ids.add(number.value)
                elif number.measure is Measure.FRAME:
                    self._known.frames.add(number.value)
                elif number.measure in (Measure.PLAIN, Measure.PERCENT):
                    self._result.numbers.add(number.value)
                    self._known.count(number.value)
                    self._known.percent.add(number.value)
                elif number.measure is Measure.AGO:
                    _moment(self._known, self._known.scene.pts_s - number.value)
                else:
                    self._known.durations.add(number.value)
                    _moment(self._known, number.value)

    def _data(self, value: Any) -> None:
        waiting: list[tuple[str, Any]] = [("", value)]
        seen = 0
        while waiting and seen < MAX_NODES:
            key, node = waiting.pop()
            seen += 1
            if isinstance(node, Mapping):
                if not _is_setting(key):
                    self._mapping(node)
                waiting += [(str(name).casefold(), item) for name, item in list(node.items())[:MAX_NODES]]
            elif isinstance(node, list | tuple):
                waiting += [(key, item) for item in node[:MAX_NODES]]
            elif isinstance(node, str):
                self._text(node[:MAX_TEXT_CHARS])
                if key in _NAME_KEYS:
                    self._name(node)
            elif (number := _number(node)) is not None:
                self._number(key, number)

    def _mapping(self, node: Mapping[Any, Any]) -> None:
        """What a JSON object says of the classes that it names."""
        strings = [item for key, value in node.items() if not _is_setting(key) for item in _strings(value)]
        labels = {label for text in strings for label in self._labels(text)}
        self._result.labels |= labels
        if _says_found(node):
            self._result.found |= labels
        own = {str(key).casefold(): number for key, item in node.items() if (number := _number(item)) is not None}
        frame = _first(own, _FRAME_KEYS)
        pts_s = own.get("t_s", own.get("pts_s", own.get("time_s")))
        if frame is not None and pts_s is not None:
            track, event = _first(own, ("track_id", "track")), own.get("id", own.get("event_id"))
            named = Evidence(int(frame), pts_s, _whole(track), _whole(event))
            self._known.moments.append(Moment(pts_s, named))
        for key, number in own.items():
            for label in self._labels(key):
                self._result.labels.add(label)
                self._result.counts[label].add(number)
                if number > 0:
                    self._result.found.add(label)

    def _number(self, key: str, number: float) -> None:
        known = self._known
        if key in _FRAME_KEYS or key.endswith("_frame"):
            known.frames.add(number)
        elif key in _ID_KEYS or key.endswith(("_id", "_ids")):
            known.ids.add(number)
        elif key in _TIME_KEYS or key.endswith("_s"):
            known.durations.add(number)
            _moment(known, number)
        else:
            known.count(number)
            known.percent.add(number, number * 100)
            if not self._labels(key):
                self._result.numbers.add(number)
                self._result.by_word[key].add(number)

    def _text(self, text: str) -> None:
        """Words that may come from the picture: numbers in them may be repeated, but count no thing that is there."""
        for sentence in sentences(tokens(text)):
            for number in numbers(sentence, [], self._words):
                if number.measure is Measure.CLOCK:
                    _moment(self._known, number.value)
                elif number.measure in (Measure.DURATION, Measure.AGO, Measure.MOMENT):
                    self._known.durations.add(number.value)
                elif sentence[number.first].kind in (Kind.NUMBER, Kind.TRACK):
                    (self._known.ids.add if number.measure is Measure.TRACK else self._known.count)(number.value)
                    self._known.percent.add(number.value)

    def _name(self, text: str) -> None:
        named = any(map(str.isalpha, text)) and any(map(str.isdigit, text))
        if named and len(text) <= MAX_NAME_CHARS and len(self._known.names) < MAX_NAMES:
            self._known.names.add(text.casefold())

    def _labels(self, text: str) -> tuple[str, ...]:
        target: Target | None = self._forms.exactly(text) if len(text) <= MAX_NAME_CHARS else None
        return target.labels if target else ()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        yield from (item for item in value[:MAX_NODES] if isinstance(item, str))


def _says_found(node: Mapping[Any, Any]) -> bool:
    """False for ``{"label": "dog", "count": 0}`` and ``{"label": "dog", "found": false}``."""
    if any(_number(node.get(key)) is not None for key in ("t_s", "pts_s", "time_s", "frame")):
        return True
    told = [value for key, value in node.items() if not _is_context(key) and not _is_words(value)]
    return any(told) or (not told and "label" in node)


def _is_setting(key: Any) -> bool:
    """Whether a key names what could be seen, not what was."""
    return str(key).casefold().startswith(("known", "classes", "asked", "args", "params"))


def _is_context(key: Any) -> bool:
    """Whether a key says what was asked, not what was found."""
    return _is_setting(key) or str(key).endswith(("_s", "_id")) or key in ("span", "limit", "session")


def _is_words(value: Any) -> bool:
    listed = isinstance(value, list | tuple) and bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, str) or listed


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _first(numbers_: Mapping[str, float], keys: Iterable[str]) -> float | None:
    return next((numbers_[key] for key in keys if key in numbers_), None)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
