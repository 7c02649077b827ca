"""The timeline with 100,000 events: frames a second while one zooms and pans, and what a filter takes.

Run: python benchmarks/timeline.py [events] [seconds]
At 1600x300 with all lanes, offscreen unless QT_QPA_PLATFORM says otherwise; every frame is painted anew.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

from _table import show, spread

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

SIZE_WH = (1600, 300)
HOURS_S = 7200.0


def main(events: int = 100_000, seconds: float = 3.0) -> None:
    from PySide6.QtWidgets import QApplication

    from scenescope.models.log_events import EventKind
    from scenescope.widgets.theme import Theme, ThemeChoice
    from scenescope.widgets.timeline_data import EventFilter, TimelineData, TrackColumns
    from scenescope.widgets.timeline_fakes import street_columns
    from scenescope.widgets.timeline_view import TimelineView

    app = QApplication([])
    theme = Theme(app, ThemeChoice.DARK)
    columns, tracks = street_columns(events, HOURS_S)
    started = time.perf_counter()
    data = TimelineData(columns, TrackColumns.of(tracks))
    _ = data.ordered_lane
    prepared_s = time.perf_counter() - started
    view = TimelineView()
    view.resize(*SIZE_WH)
    view.show_data(data)
    view.show()
    app.processEvents()

    def frames(change: Callable[[int], None]) -> tuple[list[float], float]:
        """Seconds of each frame, and processor time of all: the second is the same on a busy machine."""
        taken: list[float] = []
        used_s = time.process_time()
        while sum(taken) < seconds:
            started = time.perf_counter()
            change(len(taken))
            view.repaint()
            taken.append(time.perf_counter() - started)
        return taken, time.process_time() - used_s

    def zoom(turn: int) -> None:
        view.zoom(1.06 if turn % 200 < 100 else 1 / 1.06, 700)

    def pan(turn: int) -> None:
        view.pan((0.01 if turn % 100 < 50 else -0.01) * view.span.length_s)

    rows = []
    for name, factor, change in (
        ("zoom, all to one minute", 1.0, zoom),
        ("pan, all of two hours", 1.0, pan),
        ("pan, ten minutes", 12.0, pan),
        ("pan, one minute", 120.0, pan),
    ):
        view.fit()
        view.zoom(factor, 700)
        taken, used_s = frames(change)
        rates = [1 / one for one in taken]
        worst = sorted(taken)[-max(len(taken) // 100, 1)]
        rows.append((name, spread(rates, digits=0), f"{1 / worst:.0f}", f"{len(taken) / used_s:.0f}"))
    title = f"{len(columns):,} events, {len(tracks):,} tracks at {SIZE_WH[0]}x{SIZE_WH[1]}"
    show(title, ("", "frames a second (least to most)", "worst of 100", "per CPU second"), rows)

    filters = [EventFilter(label="car"), EventFilter(kinds=frozenset({EventKind.APPEAR})), EventFilter(track_id=7)]
    took = []
    for turn in range(30):
        started = time.perf_counter()
        view.set_filter(filters[turn % 3])
        took.append((time.perf_counter() - started) * 1e3)
    show(
        "Other work",
        ("", "ms"),
        [("filter", spread(took)), ("prepare, on a helper thread", f"{prepared_s * 1e3:.0f}")],
        note=f"a filter must fit into one frame of 20 ms: {statistics.median(took) < 20}",
    )
    view.close()
    theme.close()


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
