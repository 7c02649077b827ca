"""The command line. What a command needs is imported when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scenescope.app.environment import check_display, prepare_process, take_up_models
from scenescope.app.models_cli import models_app
from scenescope.app.own_stages import take_up_own_stages
from scenescope.app.settings import Environment

__all__ = ["app", "main"]

EXIT_BUG = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@contextmanager
def _reported(debug: bool) -> Iterator[None]:
    """Turn every failure into a sentence, a hint and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        _explain("Interrupted.", "", debug)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        # Typer ends commands, and reports wrong options, by exceptions of its own.
        if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
            raise
        # Not imported above, since numpy comes with it, and must come after prepare_process.
        from scenescope.models.errors import ScenescopeError

        if isinstance(error, OSError) and error.filename is not None:
            name = str(error.filename)
            _explain(f"{name[:200]}: {error.strerror}.", "Check the path, and that it may be read.", debug)
            raise SystemExit(EXIT_BAD_INPUT) from None
        if isinstance(error, ScenescopeError):
            _explain(error.user_message, error.hint, debug)
            raise SystemExit(EXIT_BAD_INPUT) from None
        what = f"Something unexpected happened: {type(error).__name__}: {error}"
        _explain(what, "This is a bug in Scenescope: please report it, with what --debug shows.", debug)
        raise SystemExit(EXIT_BUG) from None


def _explain(message: str, hint: str, debug: bool) -> None:
    if debug or Environment.read().debug:
        traceback.print_exc()
    print(f"Error: {message}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)


class _Commands(TyperGroup):
    """All commands; what goes wrong in one of them is told in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        prepare_process()
        with _reported(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


app = typer.Typer(
    name="scenescope",
    cls=_Commands,
    help="Real-time computer vision on the desktop: detect, track, overlay and describe.",
    no_args_is_help=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stages_app = typer.Typer(help="Steps that a pipeline can have.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(stages_app, name="stages")

# The same as scenescope.pipelines.presets.DEFAULT, which is too much to import here.
DEFAULT_PRESET = "detect-and-track"

Pipeline = Annotated[str, typer.Option(metavar="FILE_OR_PRESET", help="A preset's name, or a pipeline file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


class Policy(StrEnum):
    """What gives way when frames come too fast."""

    EVERY = "every"
    NEWEST = "newest"


def main() -> None:
    """Entry point of the command ``scenescope``."""
    # File names may hold what is no text: they are printed as escapes, which JSON understands too.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app(prog_name="scenescope")


def _usage(message: str, hint: str) -> Exception:
    from scenescope.models.errors import ScenescopeError

    return ScenescopeError(message, hint=hint, permanent=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"scenescope {version('scenescope')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks with error messages.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Real-time computer vision on the desktop: detect, track, overlay and describe.

    Without a command, the window opens.
    """
    if context.invoked_subcommand is None:
        gui()


@app.command()
def gui(
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help="What to show first: as for 'run'.")] = None,
    pipeline: Pipeline = DEFAULT_PRESET,
) -> None:
    """Open the window."""
    # Before Qt is imported: where its system libraries are missing, that alone would fail.
    check_display(Environment.read())
    from scenescope.app.window import show_window

    raise typer.Exit(show_window(source=source, pipeline=pipeline))


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Close by itself after this time.")] = None,
    screenshot: Annotated[Path | None, typer.Option(help="Save a picture of the window (PNG) at the end.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another course of the photos.")] = 0,
    size: Annotated[str | None, typer.Option(help="Size of the window, as WIDTHxHEIGHT.")] = None,
) -> None:
    """Show the main job on a demo camera: no hardware, no download."""
    from scenescope.app.demo import show_demo

    raise typer.Exit(show_demo(seconds, screenshot, seed, _size(size) if size is not None else None))


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise _usage(f"'{text}' is not a size.", "Write it as 1440x900.") from None
    if not (320 <= width <= 7680 and 240 <= height <= 4320):
        raise _usage(f"A window of {text} cannot be shown.", "Choose from 320x240 to 7680x4320.")
    return width, height


@app.command()
def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A video or image file, a folder or pattern, an address (rtsp://...), 'webcam', or 'demo'.",
        ),
    ],
    pipeline: Pipeline = DEFAULT_PRESET,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for what is written.")] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="Which results to write, with commas: jsonl, csv, parquet, coco, yolo, voc, mot, cvat.",
        ),
    ] = "jsonl",
    images: Annotated[
        bool, typer.Option("--images", help="Save the pictures too, in the formats that hold them.")
    ] = False,
    video: Annotated[bool, typer.Option("--video", help="Write annotated.mp4 too.")] = False,
    zones: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Zones and lines to count in (YAML or JSON).")
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Write events.jsonl: what happened, and when.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write report.html: one page with pictures.")] = False,
    policy: Annotated[
        Policy | None,
        typer.Option(help="Analyse every frame, or the newest there is (live). By default every one of a file."),
    ] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="End after this many frames of the source.")] = None,
    start: Annotated[float | None, typer.Option(min=0, help="Begin at this time of a file, in seconds.")] = None,
    end: Annotated[float | None, typer.Option(min=0, help="End before this time of a file, in seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one last line of JSON with the counts.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only errors.")] = False,
) -> None:
    """Analyse a source without a window; of a folder or a pattern, every file.

    Exit codes: 0 done, 2 bad input or usage, 3 a stage failed for good or some files did, 130 interrupted.
    """
    chosen = _formats(formats)
    wanted = {"--video": video, "--events": events, "--report": report, "--images": images}
    wanted["--format"] = chosen != ("jsonl",)
    for option in (option for option, on in wanted.items() if on and out is None):
        raise _usage(f"{option} needs a folder to write to.", "Add --out DIR.")
    if start is not None and end is not None and end <= start:
        raise _usage(f"--end {end:g} is not after --start {start:g}.", "Both are seconds from the beginning.")
    from scenescope.app.batch import files_of, run_batch
    from scenescope.app.progress import Progress
    from scenescope.app.run import RunRequest
    from scenescope.app.run import run as run_headless

    request = RunRequest(
        source=source,
        pipeline=pipeline,
        out=out,
        video=video,
        policy=policy and policy.value,
        max_frames=max_frames,
        start_s=start,
        end_s=end,
        formats=chosen,
        images=images,
        zones=zones,
        events=events,
        report=report,
    )
    interrupted = threading.Event()
    environment = Environment.read()
    take_up_own_stages(environment)
    take_up_models(environment)
    several = files_of(source)
    with _on_signal(interrupted.set):
        outcome: Any
        if several is not None:
            outcome = run_batch(request, several, Progress(quiet), interrupted, environment.presets_dir)
        else:
            outcome = run_headless(request, Progress(quiet), interrupted, environment.presets_dir)
    summary = outcome.summary()
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    elif not quiet and (several is not None or summary["frames"]):
        print(outcome.text())
    raise typer.Exit(outcome.exit_code)


@app.command()
def ask(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A file, a folder of images, or an event log (events.sqlite)."),
    ],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help='In quotes: "when did the red car appear?"')],
    provider: Annotated[
        str, typer.Option(metavar="rules|local|URL", help="Who answers: rules, a model here, or a server.")
    ] = "rules",
    model: Annotated[str, typer.Option(help="Which model of the server, or of those here.")] = "",
    pipeline: Pipeline = DEFAULT_PRESET,
    zones: Annotated[Path | None, typer.Option(metavar="FILE", help="Zones and lines to count in.")] = None,
    session: Annotated[int | None, typer.Option(help="Which session of an event log; the newest by default.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="End after this many frames of the source.")] = None,
    send_pictures: Annotated[
        bool, typer.Option("--send-pictures", help="Agree, for this run only, that pictures go to the server.")
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only errors.")] = False,
) -> None:
    """Ask the assistant about a file or an event log.

    Exit codes: 0 answered, 2 bad input or usage, 3 not answered or not confirmed by the checks, 130 interrupted.
    """
    from scenescope.app.ask import AskRequest, Reply
    from scenescope.app.ask import ask as ask_headless
    from scenescope.app.progress import Progress

    interrupted = threading.Event()
    environment = Environment.read()
    take_up_own_stages(environment)
    take_up_models(environment)
    request = AskRequest(source, question, provider, model, pipeline, zones, session, max_frames, send_pictures)
    with _on_signal(interrupted.set):
        reply = ask_headless(request, Progress(quiet), interrupted, environment)
    if not isinstance(reply, Reply):
        if interrupted.is_set():
            print("Interrupted before it was answered.", file=sys.stderr)
        raise typer.Exit(reply)
    print(json.dumps(reply.as_dict(), ensure_ascii=False) if as_json else reply.text())
    raise typer.Exit(reply.exit_code)


def _formats(text: str) -> tuple[str, ...]:
    from scenescope.app.run_outputs import FORMATS

    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    for unknown in (name for name in names if name not in FORMATS):
        raise _usage(f"There is no format '{unknown}'.", f"Choose from {', '.join(FORMATS)}.")
    if not names:
        raise _usage("--format names no format.", f"Choose from {', '.join(FORMATS)}.")
    return names


@app.command()
def probe(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A video file.")],
    as_json: AsJson = False,
) -> None:
    """Tell what is in a video file: streams, rotation, exact frame count, rate, and damage."""
    from scenescope.pipelines.sources.probe import probe as examine

    report = examine(Path(file))
    if as_json:
        _print_json(report.as_dict())
    else:
        from scenescope.app.probe_cli import report_text

        print(report_text(report))


@contextmanager
def _on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first Ctrl+C or request to end; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, where: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
def schema() -> None:
    """Print the JSON Schema of pipeline files, for editors that complete and check YAML."""
    from scenescope.pipelines.spec import PipelineSpec

    _print_json(PipelineSpec.json_schema())


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation, and say what to do where something is missing."""
    from scenescope.app.doctor import examine, print_report

    findings = examine()
    if as_json:
        _print_json([finding.as_dict() for finding in findings])
    else:
        print_report(findings)
    raise typer.Exit(EXIT_BAD_INPUT if any(finding.blocks for finding in findings) else 0)


@app.command()
def devices(as_json: AsJson = False) -> None:
    """List cameras, and what networks can run on."""
    from scenescope.app import listing

    found = listing.devices()
    if as_json:
        _print_json(found)
    else:
        listing.print_devices(found)


@stages_app.command("list")
def stages_list(as_json: AsJson = False) -> None:
    """List the stages, ours and those of plugins."""
    from scenescope.app import listing

    take_up_own_stages(Environment.read())
    found = listing.stages()
    if as_json:
        _print_json(found)
    else:
        listing.print_stages(found)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
