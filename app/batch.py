"""A headless run over a folder or a pattern: every file for itself, past those that are broken."""

from __future__ import annotations

import glob
import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scenescope.app.progress import Progress
from scenescope.app.run import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INTERRUPTED, EXIT_STAGE_FAILED, Outcome, RunRequest, run
from scenescope.app.run_outputs import make_folder
from scenescope.models import SinkError, SourceError
from scenescope.pipelines.sources.images import IMAGE_SUFFIXES
from scenescope.pipelines.sources.open import VIDEO_SUFFIXES

__all__ = ["BatchOutcome", "FileOutcome", "files_of", "run_batch"]


@dataclass(frozen=True)
class FileOutcome:
    """What came of one file; ``problem`` says why it failed, and is empty when it did not."""

    file: str
    outcome: Outcome
    problem: str = ""


@dataclass(frozen=True)
class BatchOutcome:
    """What came of all files."""

    files: tuple[FileOutcome, ...]
    exit_code: int

    @property
    def failed(self) -> tuple[FileOutcome, ...]:
        """Those that failed."""
        return tuple(one for one in self.files if one.problem)

    def summary(self) -> dict[str, Any]:
        """The last line of ``--json``: totals as of one run, then every file."""
        done = [one.outcome for one in self.files]
        labels: Counter[str] = Counter()
        tracks: Counter[str] = Counter()
        for outcome in done:
            labels.update(outcome.labels)
            tracks.update(outcome.tracks)
        frames, seconds = sum(outcome.frames for outcome in done), sum(outcome.seconds for outcome in done)
        return {
            "frames": frames,
            "dropped": sum(outcome.dropped for outcome in done),
            "seconds": round(seconds, 3),
            "fps": round(frames / seconds, 2) if seconds > 0 else 0.0,
            "device": ", ".join(dict.fromkeys(outcome.device for outcome in done if outcome.device)),
            "labels": dict(labels.most_common()),
            "tracks": dict(tracks.most_common()),
            "files": [
                {"file": one.file, "exit_code": one.outcome.exit_code, **one.outcome.summary(), "problem": one.problem}
                for one in self.files
            ],
            "failed": [one.file for one in self.failed],
        }

    def text(self) -> str:
        """The same for people: a line a file, and at the end what failed."""
        width = max(len(one.file) for one in self.files)
        lines = [
            f"{one.file:{width}}  {one.outcome.frames:>7} frames  {sum(one.outcome.tracks.values()):>5} tracks"
            + ("  FAILED" if one.problem else "")
            for one in self.files
        ]
        good = len(self.files) - len(self.failed)
        lines.append(f"{good} of {len(self.files)} files done.")
        lines += [f"Failed: {one.file}: {one.problem}" for one in self.failed]
        return "\n".join(lines)


def files_of(text: str) -> list[str] | None:
    """The sources that a folder or a pattern stands for, in order of their names.

    Every video of a folder is a source; the images of one folder are one source together. None when ``text`` is
    something else, or only images: those are one source as they are.
    """
    path = Path(text)
    if path.is_dir():
        films = (file for file in path.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
        # A link that leads nowhere is a broken file, which is told of; folders and devices are not files.
        found = sorted(file for file in films if file.is_file() or not file.exists())
        with_images = any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir())
        return [*map(str, found), *([text] if with_images else [])] if found else None
    if path.exists() or "://" in text or not glob.has_magic(text):
        return None
    matches = _once(sorted(Path(name) for name in glob.glob(text, recursive=True) if Path(name).is_file()))  # noqa: PTH207
    if all(file.suffix.lower() in IMAGE_SUFFIXES for file in matches):
        return None
    return [str(file) for file in matches]


def _once(files: Iterable[Path]) -> list[Path]:
    """Every file by its shortest path: where a link leads back to a folder above, ``**`` finds it again and again."""
    shortest: dict[tuple[Path, str], Path] = {}
    for file in files:
        before = shortest.setdefault((file.parent.resolve(), file.name), file)
        if len(file.parts) < len(before.parts):
            shortest[file.parent.resolve(), file.name] = file
    return sorted(shortest.values())


def run_batch(
    request: RunRequest,
    sources: Sequence[str],
    progress: Progress,
    interrupted: threading.Event,
    presets_dir: Path | None,
) -> BatchOutcome:
    """Run every source, each into a folder of its own name below ``request.out``.

    Raises:
        SpecError, SinkError: the pipeline, the zones or the folder is wrong, which no other file would change.
    """
    if request.out is not None:
        make_folder(request.out)
    root = Path(os.path.commonpath([Path(source).absolute().parent for source in sources]))
    done: list[FileOutcome] = []
    for number, source in enumerate(sources, start=1):
        path = Path(source).absolute()
        name = str(path.relative_to(root)) if path.is_relative_to(root) and path != root else path.name
        progress.note(f"[{number}/{len(sources)}] {name}")
        out = None if request.out is None else request.out / name
        one = replace(request, source=source, out=out)
        said = len(progress.errors)
        try:
            outcome = run(one, progress, interrupted, presets_dir)
        except (SourceError, SinkError) as error:
            progress.error(error.user_message, error.hint)
            outcome = Outcome(EXIT_BAD_INPUT, 0, 0, 0.0, "", {}, {})
        done.append(FileOutcome(name, outcome, _problem(outcome, progress.errors[said:])))
        if interrupted.is_set():
            break
    if interrupted.is_set():
        exit_code = EXIT_INTERRUPTED
    else:
        exit_code = EXIT_STAGE_FAILED if any(one.problem for one in done) else EXIT_DONE
    return BatchOutcome(tuple(done), exit_code)


def _problem(outcome: Outcome, said: Sequence[str]) -> str:
    if outcome.exit_code in (EXIT_DONE, EXIT_INTERRUPTED):
        return ""
    unread = [f"{name}: {reason}" for name, reason in outcome.skipped]
    return " ".join([*said, *unread]) or "failed"
