"""The window while a network computes: how late a 60 Hz ticker of the GUI thread is, and how old pictures are.

Run: python benchmarks/window.py [seconds] [rounds]
Shows the demo camera with detection and tracking, offscreen unless QT_QPA_PLATFORM says otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys

from _table import show, spread

CODE = """
import sys, time
import numpy as np, psutil
from PySide6.QtCore import Qt, QTimer
from scenescope.app.environment import prepare_process
from scenescope.app.settings import Environment
from scenescope.app.window import Desktop, make_application
from scenescope.pipelines import presets
from scenescope.widgets.settings import MemorySettings

prepare_process()
application = make_application()
desktop = Desktop(presets.load(presets.DEFAULT), MemorySettings(), Environment.read())
window, period_s, late_ms, last_s, used = desktop.window, 0.016, [], [], []
ticker = QTimer()
ticker.setTimerType(Qt.TimerType.PreciseTimer)

def tick():
    now = time.perf_counter()
    if last_s:
        late_ms.append(max(now - last_s.pop() - period_s, 0.0) * 1e3)
    last_s.append(now)

def hold():
    ticker.stop()
    painted, stats = window.bridge.painted(), desktop.engine.stats
    print(*np.percentile(late_ms, (50, 99)), painted.age_p50_ms, painted.age_p95_ms, stats.analysed_fps)
    desktop.engine.pause()
    QTimer.singleShot(1500, lambda: used.append(cpu_s()))
    QTimer.singleShot(5500, end)

def cpu_s():
    times = psutil.Process().cpu_times()
    return times.user + times.system

def end():
    print((cpu_s() - used[0]) / 4 * 100)
    window.close()

ticker.timeout.connect(tick)
window.open_source_text("demo")
QTimer.singleShot(4000, lambda: ticker.start(16))
QTimer.singleShot(4000 + int(float(sys.argv[1]) * 1e3), hold)
desktop.run(application)
desktop.close()
"""

NAMES = (
    "60 Hz ticker late, p50, ms",
    "60 Hz ticker late, p99, ms",
    "captured to painted, p50, ms",
    "captured to painted, p95, ms",
    "analysed, frames a second",
    "CPU while paused, % of a core",
)


def main(seconds: int = 12, rounds: int = 3) -> None:
    environment = {"QT_QPA_PLATFORM": "offscreen", **os.environ}
    runs: list[list[float]] = []
    for _ in range(rounds):
        command = [sys.executable, "-c", CODE, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append([float(word) for word in done.stdout.split()])
    rows = [(name, spread(list(values))) for name, values in zip(NAMES, zip(*runs, strict=True), strict=True)]
    show(f"Window on the demo camera at 1280x720, {rounds} runs of {seconds} s", ("", "median (least to most)"), rows)


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
