"""Reports: one HTML page about a run, while it runs, or about a session of the event log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import ScenescopeError
from scenescope.models.log_events import LogEvent
from scenescope.pipelines.exchange.files import cannot_write
from scenescope.pipelines.exchange.report_data import ClassCount, Picture, ReportData, clock
from scenescope.pipelines.exchange.report_page import check_can_render, render, write_page
from scenescope.pipelines.exchange.report_tally import MOST_GALLERY, Tally, shown_events
from scenescope.pipelines.exchange.session import objects_of
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.records import EventQuery, FrameRecord, Session, TrackRecord
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.jsonl import found_objects
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.spec import PipelineSpec

__all__ = ["LogReader", "ReportData", "ReportSink", "Spotter", "render", "report_of_session", "write_page"]

SAMPLES = 6
SAMPLE_WIDTH = 640
CUTOUT_SIDE = 200
MARGIN = 0.08
JPEG_QUALITY = 82
MOST_EVENTS_KEPT = 200_000
TELL_EVERY_FRAMES = 100


class Spotter(Protocol):
    """Finds events, frame by frame: ``scenescope.pipelines.log.spotter.EventSpotter``."""

    def spot(self, frame: Frame, /) -> Sequence[LogEvent]:
        """What happened in this frame."""

    def finish(self) -> Sequence[LogEvent]:
        """What is over with the last frame."""


def _spotter(info: SourceInfo) -> Spotter:
    from scenescope.pipelines.log.spotter import EventSpotter

    return EventSpotter(info)


class ReportSink(Sink):
    """Writes a report when the run ends, also when it was interrupted or has failed.

    Memory is bounded: counts, at most 400 small pictures of tracks, and some pictures of the film.

    Args:
        path: of the page.
        spec: the pipeline.
        make_spotter: makes what finds the events.

    Attributes:
        timings, warnings: shown in the report; whoever runs the pipeline may add to them until ``close``.
        before_close: called before the page is written, for those who know both only at the end.
    """

    def __init__(
        self, path: Path, spec: PipelineSpec | None = None, make_spotter: Callable[[SourceInfo], Spotter] = _spotter
    ) -> None:
        self.path = path
        self.timings: list[tuple[str, float]] = []
        self.warnings: list[str] = []
        self.before_close: Callable[[ReportSink], None] = lambda _: None
        self._spec = spec
        self._make_spotter = make_spotter
        self._info: SourceInfo | None = None

    def open(self, info: SourceInfo) -> None:
        """Begin to count.

        Raises:
            SinkError: jinja2 is not installed, or there is no place for the page.
        """
        check_can_render()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._info = info
        self._spotter = self._make_spotter(info)
        self._painter = OverlayPainter()
        self._tally = Tally(info.rate_hz)
        self._events: list[LogEvent] = []
        self._event_count = 0
        self._samples: list[tuple[int, Picture]] = []
        self._sample_every = 1

    def write(self, prepared: Any) -> None:
        """Count a frame."""
        frame: Frame = prepared
        objects = list(found_objects(frame))
        at = self._tally.frames
        for track_id, score, one in self._tally.add(frame.pts_s, objects):
            if jpeg := cutout(frame, one.xyxy):
                self._tally.keep(track_id, score, one.confidence, jpeg)
        self._take(self._spotter.spot(frame))
        if at % self._sample_every == 0:
            detail = f"Frame {frame.index}, {len(objects)} objects"
            self._samples.append((at, Picture(clock(frame.pts_s), detail, self._painted(frame))))
            if len(self._samples) > 2 * SAMPLES:
                # Every other one goes, so that those that stay are evenly spread over whatever length.
                self._sample_every *= 2
                self._samples = [sample for sample in self._samples if sample[0] % self._sample_every == 0]

    def close(self) -> None:
        """Write the page.

        Raises:
            SinkError: it cannot be written there.
        """
        info, self._info = self._info, None
        if info is None:
            return
        self._take(self._spotter.finish())
        self.before_close(self)
        write_page(self._data(info), self.path)

    def _take(self, events: Iterable[LogEvent]) -> None:
        for event in events:
            self._event_count += 1
            if len(self._events) < MOST_EVENTS_KEPT:
                self._events.append(event)

    def _data(self, info: SourceInfo) -> ReportData:
        tally = self._tally
        listed, counted, plot = shown_events(self._events, tally.span_s)
        warnings = list(self.warnings)
        if self._event_count > len(self._events):
            warnings.append(f"Only the first {len(self._events):,} of {self._event_count:,} events were counted.")
        # Evenly chosen from those that were kept.
        step = max(len(self._samples) / SAMPLES, 1.0)
        chosen = [self._samples[int(i * step)] for i in range(min(SAMPLES, len(self._samples)))]
        return ReportData(
            title=info.name,
            facts=tuple(_facts(info.name, info.size_wh, info.rate_hz, info.detail, tally)),
            stages=_stages(self._spec),
            classes=tally.classes(),
            passages=counted,
            plots=(tally.presence(), plot),
            samples=tuple(picture for _, picture in chosen),
            gallery=tally.gallery(),
            track_count=len(tally.tracks),
            events=listed,
            event_count=self._event_count,
            timings=tuple(self.timings),
            warnings=tuple(warnings),
        )

    def _painted(self, frame: Frame) -> bytes:
        width, height = frame.size_wh
        image = frame.image.copy()
        self._painter.style = OverlayStyle(scale=max(height / 720, 0.6) * max(width / SAMPLE_WIDTH / 2, 1.0))
        results = [(name, value) for name in frame.results if (value := frame.result(name)) is not None]
        self._painter.paint(image, results)
        if width > SAMPLE_WIDTH:
            size = SAMPLE_WIDTH, max(round(height * SAMPLE_WIDTH / width), 1)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return _jpeg(image)


def cutout(frame: Frame, xyxy: tuple[float, float, float, float]) -> bytes:
    """A JPEG of the part of a picture that a box in source pixels covers; empty when nothing of it is in there."""
    x1, y1, x2, y2 = xyxy
    corners = np.array([[x1, y1, 1.0], [x2, y1, 1.0], [x2, y2, 1.0], [x1, y2, 1.0]])
    mapped = corners @ np.linalg.inv(frame.to_source).T
    points = mapped[:, :2] / mapped[:, 2:]
    if not np.isfinite(points).all():
        return b""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = (high - low) * MARGIN
    size = np.array(frame.size_wh)
    left, top = np.clip(np.floor(low - margin), 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + margin), 0, size).astype(int).tolist()
    if right - left < 2 or bottom - top < 2:
        return b""
    part = frame.image[top:bottom, left:right]
    scale = CUTOUT_SIDE / max(part.shape[:2])
    if scale < 1:
        wanted = max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1)
        part = np.asarray(cv2.resize(part, wanted, interpolation=cv2.INTER_AREA), np.uint8)
    return _jpeg(part)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    good, data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data.tobytes()) if good else b""


def _facts(
    source: str, size_wh: tuple[int, int], rate_hz: float, detail: str, tally: Tally
) -> Iterable[tuple[str, str]]:
    yield "Source", source
    if min(size_wh) > 0:
        yield "Picture", f"{size_wh[0]} x {size_wh[1]} pixels"
    if rate_hz:
        yield "Rate", f"{rate_hz:.6g} frames a second"
    if detail:
        yield "Format", detail
    yield "Frames analysed", f"{tally.frames:,}"
    if tally.frames:
        yield "From, to", f"{clock(tally.first_s)} to {clock(tally.last_s)}"


def _stages(spec: PipelineSpec | None) -> tuple[tuple[str, str], ...]:
    if spec is None:
        return ()
    return tuple(
        (
            stage.id if stage.enabled else f"{stage.id} (off)",
            ", ".join(f"{name}: {_short(value)}" for name, value in stage.params.items()) or "as given",
        )
        for stage in spec.stages
    )


def _short(value: object) -> str:
    words = str(value)
    return words if len(words) <= 200 else words[:197] + "..."


# Sessions of the log ---------------------------------------------------------------------------------------------


class LogReader(Protocol):
    """The part of the event log that a report reads."""

    def session(self, session_id: int, /) -> Session | None:
        """A session; None when there is none of that number."""

    def frames(self, session_id: int, /) -> Iterable[FrameRecord]:
        """The frames of an analysis, in order."""

    def events(self, query: EventQuery, /) -> list[LogEvent]:
        """Events."""

    def count(self, query: EventQuery, /) -> int:
        """How many events."""

    def tracks(self, session_id: int, /) -> list[TrackRecord]:
        """All tracks, without pictures."""

    def track(self, session_id: int, track_id: int, /) -> TrackRecord | None:
        """A track with its picture."""


def report_of_session(log: LogReader, session_id: int, told: Callable[[float], None] = lambda _: None) -> ReportData:
    """What the log knows of a session.

    Args:
        log: the event log.
        session_id: which one.
        told: told now and then how far it is, 0 to 1; what it raises ends the work.

    Raises:
        ScenescopeError: there is no such session.
    """
    session = log.session(session_id)
    if session is None:
        raise ScenescopeError("This session is not in the log any more.", hint="Choose another one.")
    tally, damaged = Tally(session.rate_hz), 0
    for at, record in enumerate(log.frames(session_id)):
        if at % TELL_EVERY_FRAMES == 0:
            told(0.8 * min(at / max(session.frames, 1), 1.0))
        try:
            tally.add(record.pts_s, objects_of(record))
        except ScenescopeError:
            damaged += 1
    told(0.8)
    query = EventQuery(session_id=session_id)
    events = log.events(replace(query, limit=MOST_EVENTS_KEPT))
    event_count = log.count(query)
    tracks = log.tracks(session_id)
    if not tally.frames:
        tally.first_s, tally.last_s = session.start_s or 0.0, session.last_s
    listed, counted, plot = shown_events(events, tally.span_s)
    warnings = [] if session.complete else ["The session was not finished: it goes on, or was cut off."]
    if damaged:
        warnings.append(f"{damaged:,} frames of the log are damaged and were left out.")
    if event_count > len(events):
        warnings.append(f"Only the first {len(events):,} of {event_count:,} events were counted.")
    gallery = []
    longest = sorted(tracks, key=lambda track: (track.first_s - track.last_s, track.track_id))[:MOST_GALLERY]
    for at, track in enumerate(sorted(longest, key=lambda track: track.track_id)):
        told(0.8 + 0.2 * at / len(longest))
        whole = log.track(session_id, track.track_id)
        if whole is not None and whole.picture_jpeg:
            detail = f"{clock(whole.first_s)} to {clock(whole.last_s)}, {whole.confidence:.0%} sure"
            gallery.append(Picture(f"{whole.label} {whole.track_id}", detail, whole.picture_jpeg))
    name = session.source.replace("\\", "/").rsplit("/", 1)[-1]
    facts = [*_facts(session.source, session.size_wh, session.rate_hz, "", tally)]
    if not tally.frames:
        facts = [fact for fact in facts if fact[0] != "Frames analysed"] + [("Frames", f"{session.frames:,}")]
    return ReportData(
        title=session.title or name,
        facts=tuple(facts),
        stages=_stages_of(session.pipeline),
        classes=tally.classes() or _classes_of(tracks),
        passages=counted,
        plots=(*((tally.presence(),) if tally.frames else ()), plot),
        gallery=tuple(gallery),
        track_count=len(tracks),
        events=listed,
        event_count=event_count,
        warnings=tuple(warnings),
    )


def _classes_of(tracks: Sequence[TrackRecord]) -> tuple[ClassCount, ...]:
    labels = [track.label for track in tracks]
    return tuple(ClassCount(label, None, None, labels.count(label)) for label in sorted(set(labels)))


def _stages_of(pipeline: str) -> tuple[tuple[str, str], ...]:
    try:
        return _stages(PipelineSpec.from_yaml(pipeline)) if pipeline else ()
    except ScenescopeError:
        return ()
