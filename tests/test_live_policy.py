"""A minute of live video with a stage far too slow for it, in the real window."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QElapsedTimer, Qt, QTimer

from scenescope.pipelines import STAGES, PipelineSpec
from scenescope.pipelines.display import DisplayMode
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import Slow
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sources.demo import DemoCamera
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.settings import MemorySettings

SECONDS = 60
WARM_UP_S = 5
TICK_MS = 10


@pytest.mark.slow
@pytest.mark.alone
def test_a_minute_live_with_a_stage_of_half_a_second(qtbot, tmp_path):
    STAGES.add("slow", Slow)
    engine = Engine(PipelineSpec().added("slow", {"delay_s": 0.5}).added("detect"))
    log = EventLog(tmp_path / "events.sqlite")
    window = MainWindow(engine, MemorySettings(), log=log)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    ages_s: list[float] = []
    modes: set[DisplayMode] = set()
    stalls_ms: list[float] = []
    memory_mb: list[float] = []

    def seen() -> None:
        picture = window.bridge.picture
        ages_s.append(time.monotonic() - picture.captured_s)
        modes.add(picture.mode)

    clock = QElapsedTimer()
    ticker = QTimer()
    ticker.setTimerType(Qt.TimerType.PreciseTimer)

    def tick() -> None:
        stalls_ms.append(max(clock.nsecsElapsed() / 1e6 - TICK_MS, 0.0))
        clock.start()

    ticker.timeout.connect(tick)
    try:
        window.show_source(DemoCamera(size_wh=(1280, 720)))
        qtbot.wait(WARM_UP_S * 1000)
        window.bridge.picture_changed.connect(seen)
        clock.start()
        ticker.start(TICK_MS)
        process = psutil.Process()
        before = engine.counts
        for _ in range(SECONDS):
            qtbot.wait(1000)
            memory_mb.append(process.memory_info().rss / 2**20)
        ticker.stop()
        counts = engine.counts
    finally:
        window.close()
        log.close()
        STAGES.discard("slow")
    age_p95_ms = float(np.percentile(ages_s, 95)) * 1e3
    stall_p99_ms = float(np.percentile(stalls_ms, 99))
    growth_mb = max(memory_mb) - memory_mb[0]
    print(
        f"\nshown {len(ages_s) / SECONDS:.1f} fps, age p95 {age_p95_ms:.1f} ms, stall p99 {stall_p99_ms:.1f} ms, "
        f"growth {growth_mb:.1f} MB, captured {counts.captured - before.captured}, "
        f"analysed {counts.analysed - before.analysed}, dropped {counts.dropped - before.dropped}"
    )
    assert modes == {DisplayMode.NEWEST}
    assert age_p95_ms < 150
    assert stall_p99_ms < 50
    assert growth_mb < 50
    analysed = counts.analysed - before.analysed
    assert 60 <= analysed <= 2 * SECONDS + 1, "about two a second"
    assert len(ages_s) > 10 * analysed / 2, "raw pictures went on between the analyses"
    assert counts.dropped - before.dropped > SECONDS * 10
    assert abs(counts.captured - counts.analysed - counts.dropped) <= 2, "every picture is accounted for"
