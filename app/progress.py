"""How far a headless run has come, told on stderr: as a bar in a terminal, as a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

__all__ = ["Progress"]

LINE_EVERY_S = 5.0


class Progress:
    """Rate and remaining time of a run. Used by one thread, a few times a second.

    Args:
        quiet: say nothing at all but errors.

    Attributes:
        errors: what was told by :meth:`error` so far.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.errors: list[str] = []
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._total: int | None = None
        self._began_s = self._line_s = time.monotonic()
        self._in_terminal = sys.stderr.isatty()

    def begin(self, title: str, total: int | None) -> None:
        """The first frame is about to come; ``total`` frames are expected, None when that is not known."""
        self._total = total
        self._began_s = self._line_s = time.monotonic()
        if self._quiet or not self._in_terminal:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        # Without its own refreshing thread: the run tells often enough.
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} fps", markup=False),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, rate="-")
        self._bar.start()

    def update(self, done: int) -> None:
        """``done`` frames have passed."""
        now = time.monotonic()
        rate = done / max(now - self._began_s, 1e-3)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:.1f}", refresh=True)
        elif not self._quiet and done and now - self._line_s >= LINE_EVERY_S:
            self._line_s = now
            total = f"/{self._total}" if self._total else ""
            left = f", {(self._total - done) / rate:.0f} s left" if self._total and rate > 0 else ""
            self._print(f"{done}{total} frames, {rate:.1f} fps{left}")

    def note(self, text: str) -> None:
        """A sentence about the run, above the bar."""
        if not self._quiet:
            self._print(text)

    def error(self, message: str, hint: str = "") -> None:
        """What went wrong; said also when quiet."""
        self.errors.append(message)
        self._print(f"Error: {message}" + (f"\n  {hint}" if hint else ""))

    def end(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)
