"""What a headless run writes: which sinks, and into which files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from scenescope.models import SinkError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.jsonl import JsonLines
from scenescope.pipelines.sinks.video import AnnotatedVideo
from scenescope.pipelines.source import Source

if TYPE_CHECKING:
    from scenescope.app.run import RunRequest

__all__ = ["FORMATS", "make_folder", "outputs_of"]

# The same as the names in scenescope.pipelines.exchange.formats, in its order.
FORMATS = ("jsonl", "csv", "parquet", "coco", "yolo", "voc", "mot", "cvat")
VIDEO_FILE = "annotated.mp4"
EVENTS_FILE = "events.jsonl"
REPORT_FILE = "report.html"


def make_folder(out: Path) -> None:
    """Make the folder for what is written, unless it is there.

    Raises:
        SinkError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(
            f"Cannot write to the folder {out}: {error.strerror}.", hint="Choose another folder for --out."
        ) from error


def outputs_of(request: RunRequest, source: Source, spec: PipelineSpec) -> tuple[list[Sink], list[Path]]:
    """The sinks that a run needs, and what they write, in the order in which it is told.

    Raises:
        SinkError: the folder cannot be written to, or something would be written over the source itself.
    """
    if request.out is None:
        return [], []
    make_folder(request.out)
    made = [(path, make) for path, make in _wished(request, request.out, source, spec)]
    for path, _ in made:
        if path.exists() and Path(request.source).exists() and path.samefile(request.source):
            raise SinkError(f"{path} would be written over itself.", hint="Choose another folder for --out.")
    return [sink for _, make in made if (sink := make()) is not None], [path for path, _ in made]


def _wished(
    request: RunRequest, out: Path, source: Source, spec: PipelineSpec
) -> Iterator[tuple[Path, Callable[[], Sink | None]]]:
    """Every file that is to be written, with what makes the sink for it; None where the sink before writes it too."""
    if "jsonl" in request.formats:
        yield out / "results.jsonl", lambda: JsonLines(out / "results.jsonl")
    gathered = tuple(name for name in request.formats if name != "jsonl")
    if gathered:
        from scenescope.pipelines.sinks.export import ExportSink

        yield out / f"results.{gathered[0]}", lambda: ExportSink(out, gathered, images=request.images)
        for name in gathered[1:]:
            yield out / f"results.{name}", lambda: None
    if request.video:
        sound = Path(request.source) if Path(request.source).is_file() else None
        yield (
            out / VIDEO_FILE,
            lambda: AnnotatedVideo(
                out / VIDEO_FILE, time_base=lambda: getattr(source, "time_base", None), audio_from=sound
            ),
        )
    if request.events:
        from scenescope.pipelines.sinks.event_log import EventsJsonl

        yield out / EVENTS_FILE, lambda: EventsJsonl(out / EVENTS_FILE)
    if request.report:
        from scenescope.pipelines.exchange.report import ReportSink

        yield out / REPORT_FILE, lambda: ReportSink(out / REPORT_FILE, spec)
