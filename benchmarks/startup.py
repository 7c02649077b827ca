"""Start-up: from the start of a process to an import, to the first picture, to the first picture with detections.

Run: python benchmarks/startup.py [rounds]
The first round is thrown away, so the disk is warm. A display is not needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from _table import show, spread

IMPORT = "import time, {module}; print(time.time())"

WINDOW = """
import time
from scenescope.app.settings import Environment
from scenescope.app.window import Desktop, make_application
from scenescope.pipelines import presets
from scenescope.widgets.settings import MemorySettings

application = make_application()
desktop = Desktop(presets.load(presets.DEFAULT), MemorySettings(), Environment.read())
seen = []

def look():
    picture = desktop.window.bridge.picture
    if not seen:
        seen.append(time.time())
    if picture.objects:
        print(seen[0], time.time())
        desktop.window.close()

desktop.window.bridge.picture_changed.connect(look)
desktop.window.open_source_text("demo")
desktop.run(application)
desktop.close()
"""


def stamps(code: str) -> list[float]:
    """Seconds from the start of a new Python process to each time that ``code`` prints."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    started = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return [float(word) - started for word in done.stdout.split()]


def main(rounds: int = 5) -> None:
    measured: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, values in {
            "bare Python": stamps("import time; print(time.time())"),
            "import scenescope.app": stamps(IMPORT.format(module="scenescope.app")),
            "import scenescope.app.cli": stamps(IMPORT.format(module="scenescope.app.cli")),
            "import scenescope.pipelines.engine": stamps(IMPORT.format(module="scenescope.pipelines.engine")),
            "first picture; with detections": stamps(WINDOW),
        }.items():
            for label, value in zip(name.split("; "), values, strict=True):
                if turn:
                    measured.setdefault(label, []).append(value)
    show(
        f"Seconds from the start of the process, {rounds} rounds",
        ("", "median (least to most)"),
        [(label, spread(values, digits=2)) for label, values in measured.items()],
    )


if __name__ == "__main__":
    main(*(int(arg) for arg in sys.argv[1:]))
