"""The strip at the bottom: rates, ages, drops, where the stages run, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget
from typing_extensions import override

from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.display import DIM_AFTER_S, ComposedPicture, DisplayMode
from scenescope.pipelines.events import StagePhase, StageState, Stats
from scenescope.widgets.bridge import PaintedStats

__all__ = ["StatusStrip"]

SPACING = 16
SOURCE_WIDTH = 170
"""Least width for the name of the source, in pixels."""


class Measure(QWidget):
    """A name and a value, with room for the longest, so that nothing moves when numbers change."""

    def __init__(self, name: str, widest: str, tip: str) -> None:
        super().__init__()
        self.name = name
        self.label = QLabel(name)
        self.label.setObjectName("muted")
        self.value = QLabel("-")
        self.value.setMinimumWidth(QFontMetrics(self.value.font()).horizontalAdvance(widest))
        self.setToolTip(tip)
        self.setAccessibleName(name)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(5)
        row.addWidget(self.label)
        row.addWidget(self.value)

    def show_text(self, text: str) -> None:
        """Show a value."""
        if text != self.value.text():
            self.value.setText(text)
            self.setAccessibleDescription(f"{self.name} {text}")


class StatusStrip(QWidget):
    """What runs how fast. Every number is also in words for screen readers; no colour stands alone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = QLabel("-")
        self.device.setObjectName("badge")
        self.device.setAccessibleName("Where the networks run")
        self.source = QLabel("No source")
        self.source.setAccessibleName("Source")
        self.captured = Measure("capture", "000.0 fps", "Pictures a second that the source delivers")
        self.analysed = Measure("analysed", "000.0 fps", "Pictures a second that have passed all stages")
        self.shown = Measure("shown", "000.0 fps", "Pictures a second that reach the screen")
        self.age = Measure("age", "0000 / 0000 ms", "From capture to the screen: median / 95th percentile")
        self.overlay = Measure("overlay", "000 ms old", "How much older than the picture the overlay is")
        self.dropped = Measure("dropped", "000000", "Pictures captured but not analysed: newer ones came")
        self.skipped = Measure(
            "skipped", "000000", "Pictures of the film that fast playing passed over without reading"
        )
        self.queue = Measure("queue", "00", "Pictures that wait for analysis")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 12, 5)
        row.setSpacing(SPACING)
        row.addWidget(self.device)
        row.addWidget(self.source, 1)
        self.measures = (
            self.captured,
            self.analysed,
            self.shown,
            self.age,
            self.overlay,
            self.dropped,
            self.skipped,
            self.queue,
        )
        for measure in self.measures:
            row.addWidget(measure)
        # Narrower than all of them together: those that matter less make room.
        self.setMinimumWidth(200)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        room = self.width() - self.device.sizeHint().width() - SOURCE_WIDTH
        first = (self.shown, self.age, self.overlay, self.analysed, self.dropped, self.captured)
        for measure in (*first, self.skipped, self.queue):
            room -= measure.sizeHint().width() + SPACING
            measure.setVisible(room >= 0)

    def show_stats(self, stats: Stats | None, painted: PaintedStats) -> None:
        """Show rates and ages; None when nothing runs."""
        if stats is None:
            for measure in self.measures:
                measure.show_text("-")
            return
        self.captured.show_text(f"{stats.capture_fps:.1f} fps")
        self.analysed.show_text(f"{stats.analysed_fps:.1f} fps")
        self.shown.show_text(f"{painted.fps:.1f} fps")
        self.age.show_text(f"{painted.age_p50_ms:.0f} / {painted.age_p95_ms:.0f} ms")
        self.dropped.show_text(str(stats.counts.dropped))
        self.skipped.show_text(str(stats.counts.skipped))
        self.queue.show_text(str(stats.queue_depth))

    def show_overlay(self, picture: ComposedPicture | None) -> None:
        """Show how old the overlay is."""
        self.overlay.show_text(overlay_words(picture))

    def show_source(self, words: str) -> None:
        """Show what is looked at."""
        self.source.setText(words)
        self.source.setToolTip(words)

    def show_devices(self, spec: PipelineSpec, states: Sequence[StageState], running: bool) -> None:
        """Show where the networks run, and say so when one was meant to run elsewhere."""
        by_id = {state.stage_id: state for state in states}
        ready = [state for state in states if state.phase is StagePhase.READY and state.device]
        problems = [p for stage in spec.stages if (s := by_id.get(stage.id)) and (p := s.device_problem)]
        names = list(dict.fromkeys(state.device for state in ready))
        text = ("! " if problems else "") + (", ".join(names) or ("CPU" if running else "idle"))
        tip = "\n".join(problems or [f"{state.stage_id} runs on {state.device}" for state in ready])
        level = "bad" if problems else ""
        self.device.setToolTip(tip or "No stage of the pipeline uses a network")
        self.device.setAccessibleDescription(f"{text}. {tip}")
        if (text, level) != (self.device.text(), self.device.property("level")):
            self.device.setText(text)
            self.device.setProperty("level", level)
            self.device.style().unpolish(self.device)
            self.device.style().polish(self.device)


def overlay_words(picture: ComposedPicture | None) -> str:
    """The overlay's age as words: "in step", "84 ms old", "dropped: too old"."""
    if picture is None or picture.overlay_age_s is None:
        return "none"
    if picture.mode is DisplayMode.IN_STEP:
        return "in step"
    age = f"{picture.overlay_age_s * 1000:.0f} ms old"
    if picture.overlay_state == "dropped":
        return "too old"
    return f"{age}, dim" if picture.overlay_age_s > DIM_AFTER_S else age
