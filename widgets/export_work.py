"""What an export does, without a widget: datasets, report, clips and pictures of a session, with progress."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenescope.models import ScenescopeError, SinkError
from scenescope.models.catalogue.offers import Cancel, Progress, Told, time_text
from scenescope.models.log_events import EventKind
from scenescope.pipelines.log.records import EventQuery, Session
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage

if TYPE_CHECKING:
    from scenescope.pipelines.exchange.metrics import Judgement

__all__ = [
    "Comparison",
    "ExportCancelled",
    "ExportRequest",
    "StepProgress",
    "compare",
    "csv_of",
    "export",
    "session_title",
    "source_of",
]

PER_MILLE = 1000
MOST_CLIPS = 500
MOST_EVENT_PICTURES = 20_000


class ExportCancelled(ScenescopeError):
    """The user ended it; what was whole by then is kept."""


@dataclass(frozen=True)
class StepProgress(Progress):
    """How far it is, in words of its own; the numbers are thousandths."""

    words: str = ""

    def text(self) -> str:
        """In words: "COCO, 43 %, 1,200 frames/s, 10 s left"."""
        return self.words


@dataclass(frozen=True)
class ExportRequest:
    """What is wished.

    Attributes:
        formats: names in ``FORMATS``.
        images: save the pictures of all frames too.
        report: write ``report.html``.
        clips, frames: cut a clip out of the film around each event, or save the picture of each event.
        kinds: of events that are meant; all if empty.
        before_s, after_s: how much of the film goes before and after an event.
    """

    session_id: int
    folder: Path
    formats: tuple[str, ...] = ()
    images: bool = False
    report: bool = False
    clips: bool = False
    frames: bool = False
    kinds: tuple[EventKind, ...] = ()
    before_s: float = 2.0
    after_s: float = 3.0


@dataclass(frozen=True)
class Comparison:
    """Which session with which ground truth, and how."""

    session_id: int
    path: Path
    iou: float = 0.5
    min_confidence: float = 0.0
    match: str = "auto"


def source_of(session: Session) -> str:
    """The name of a session's source, without its folder."""
    return session.source.replace("\\", "/").rsplit("/", 1)[-1]


def session_title(session: Session) -> str:
    """A session in one line: "street.mp4, analysis, 22 Nov 2026 14:03, 1,200 frames"."""
    name = session.title or source_of(session)
    began = time.strftime("%d %b %Y %H:%M", time.localtime(session.began_wall_s)) if session.began_wall_s else ""
    state = "" if session.complete else "not finished"
    return ", ".join(
        part for part in (name, str(session.kind.value), began, f"{session.frames:,} frames", state) if part
    )


class _Steps:
    """Tells how far several steps of equal weight are, and ends them when it is wished."""

    def __init__(self, count: int, frames: int, told: Told, cancel: Cancel) -> None:
        self._count = max(count, 1)
        self._frames = frames
        self._told = told
        self._cancel = cancel
        self._step = -1
        self._title = ""
        self._begun_s = time.monotonic()

    def next(self, title: str) -> Callable[[float], None]:
        """Begin a step; gives what is to be told how far it is, 0 to 1."""
        self._step += 1
        self._title = title
        self.at(0.0)
        return self.at

    def at(self, share: float) -> None:
        """Tell it.

        Raises:
            ExportCancelled: the user has ended it.
        """
        if self._cancel.cancelled:
            raise ExportCancelled("Stopped.", hint="What was whole by then is kept.")
        done = min((self._step + share) / self._count, 1.0)
        spent_s = time.monotonic() - self._begun_s
        words = [self._title, f"{done:.0%}"]
        if self._frames and share > 0:
            words.append(f"{done * self._count * self._frames / max(spent_s, 1e-3):,.0f} frames/s")
        if done > 0.02 and spent_s > 1:
            words.append(f"{time_text(spent_s * (1 - done) / done)} left")
        self._told(StepProgress(round(done * PER_MILLE), PER_MILLE, 0.0, words=", ".join(words)))


def export(
    log: Any, request: ExportRequest, told: Told, cancel: Cancel, registry: Registry[Stage] = STAGES
) -> list[str]:
    """Do what is wished; gives sentences about what was written.

    Args:
        log: the event log.
        request: the wish.
        told: told how far it is.
        cancel: ends it.
        registry: where stages are looked up, to know which of them hide something.

    Raises:
        ScenescopeError: something cannot be read or written, or it was cancelled.
    """
    session = log.session(request.session_id)
    if session is None:
        raise SinkError("This session is not in the log any more.", hint="Choose another one.")
    film = _film_of(session, registry) if request.images or request.clips or request.frames else None
    count = len(request.formats) + sum((bool(request.formats), request.images, request.report))
    steps = _Steps(count + request.clips + request.frames, session.frames, told, cancel)
    said: list[str] = []
    if request.formats:
        said += _write_formats(log, request, film, steps, cancel)
    if request.report:
        from scenescope.pipelines.exchange.report import report_of_session, write_page

        data = report_of_session(log, request.session_id, steps.next("Report"))
        write_page(data, request.folder / "report.html")
        said.append("report.html")
    if film is not None and (request.clips or request.frames):
        said += _cut(log, request, film, steps, cancel)
    return said


def _film_of(session: Session, registry: Registry[Stage]) -> Path:
    """The file of a session, from which pictures are taken.

    Raises:
        SinkError: it is not there any more, or its pictures must not be shown as they are.
    """
    film = Path(session.source)
    if not film.is_file():
        raise SinkError(
            f"The pictures cannot be saved: {film.name or session.source} is not there.",
            hint="Pictures and clips are taken from the file; put it back, or export without them.",
        )
    if session.pipeline:
        from scenescope.pipelines.privacy import hiding_stages

        hidden = hiding_stages(PipelineSpec.from_yaml(session.pipeline), registry)
        if hidden:
            raise SinkError(
                f"The pictures are not saved: '{next(iter(hidden.values()))}' has hidden something in this run, and "
                "the file shows it.",
                hint="Export without pictures and clips, or run the pipeline again with 'scenescope run --images'.",
            )
    return film


def _write_formats(log: Any, request: ExportRequest, film: Path | None, steps: _Steps, cancel: Cancel) -> list[str]:
    from scenescope.pipelines.exchange.formats import FORMATS
    from scenescope.pipelines.exchange.session import table_of_session

    table = table_of_session(log, request.session_id, steps.next("Reading results"))
    said = list(table.notes)
    wished = [FORMATS[name] for name in request.formats]
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pictures-", dir=request.folder) as place:
            images: dict[int, Path] = {}
            if request.images and film is not None:
                from scenescope.pipelines.clips import save_frames

                at = steps.next("Pictures")
                paths = save_frames(
                    film,
                    Path(place),
                    table.frame_index.tolist(),
                    suffix="jpg",
                    progress=lambda progress: at(progress.done),
                    cancelled=lambda: cancel.cancelled,
                )
                at(1.0)
                images = dict(enumerate(paths))
            for one in wished:
                told = steps.next(one.title)
                said.append(str(one.write(table, one.target(request.folder), images if one.pictures else None, told)))
    except OSError as error:
        raise SinkError(
            f"Cannot write to {request.folder}: {error.strerror or error}.",
            hint="Choose another folder, or make room on the disk.",
        ) from error
    return said


def _cut(log: Any, request: ExportRequest, film: Path, steps: _Steps, cancel: Cancel) -> list[str]:
    from scenescope.pipelines.clips import clip_path, save_clips, save_frames, spans_around

    events = log.events(EventQuery(session_id=request.session_id, kinds=request.kinds, limit=MOST_EVENT_PICTURES))
    if not events:
        return ["There are no such events: no clips and no pictures of events were saved."]
    said = []
    if request.clips:
        at = steps.next("Clips")
        spans = spans_around([event.t_s for event in events], request.before_s, request.after_s)
        folder = request.folder / "clips"
        made = save_clips(
            film,
            spans[:MOST_CLIPS],
            lambda span, number: clip_path(folder, film, span, number),
            progress=lambda progress: at(progress.done),
            cancelled=lambda: cancel.cancelled,
        )
        at(1.0)
        more = f", the first of {len(spans):,}" if len(spans) > MOST_CLIPS else ""
        said.append(f"clips: {len(made):,} clips of {len(events):,} events{more}")
    if request.frames:
        at = steps.next("Pictures of events")
        numbers = sorted({event.frame for event in events})
        pictures = save_frames(
            film,
            request.folder / "frames",
            numbers,
            progress=lambda progress: at(progress.done),
            cancelled=lambda: cancel.cancelled,
        )
        at(1.0)
        said.append(f"frames: {len(pictures):,} pictures of events")
    return said


def compare(log: Any, wish: Comparison, told: Told, cancel: Cancel) -> Judgement:
    """Judge a session against a ground truth.

    Raises:
        ScenescopeError: the file cannot be read or is in no known format, the session has no boxes, they have nothing
            in common, or it was cancelled.
    """
    from scenescope.models import SourceError
    from scenescope.pipelines.exchange.detect import recognise
    from scenescope.pipelines.exchange.metrics import judge
    from scenescope.pipelines.exchange.session import table_of_session

    session = log.session(wish.session_id)
    steps = _Steps(3, session.frames if session else 0, told, cancel)
    steps.next("Reading the ground truth")
    known = recognise(wish.path)
    if known is None:
        raise SourceError(
            f"{wish.path.name} is in no format that is known.",
            hint="COCO, YOLO, Pascal VOC, MOT, CVAT, CSV, Parquet and JSON Lines are known.",
            permanent=True,
        )
    truth = known.format.read(known.path, session.rate_hz if session else 0.0)
    found = table_of_session(log, wish.session_id, steps.next("Reading results"))
    at = steps.next("Comparing")
    return judge(found, truth, iou=wish.iou, min_confidence=wish.min_confidence, match=wish.match, told=at)


def csv_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV text."""
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()
