"""What a local model costs the video: how late a 30 Hz ticker is while it describes, and how long a description takes.

The network has the shapes of SmolVLM-256M and random weights, so it computes as much and says nothing. Run:
``python benchmarks/assistant_local.py [seconds]``. The goal is a p99 of 5 ms late at most.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from _table import show

from scenescope.models.budget import usable_cores
from scenescope.models.language import Done, Picture, Request, Role
from scenescope.models.language.local import LocalModel, model_folder
from scenescope.models.language.local.fakes import write_model
from scenescope.pipelines.scene_state import SceneState

RATE_HZ = 30.0
GOAL_MS = 5.0


def lateness_ms(seconds: float, work: Callable[[], None]) -> list[float]:
    """How late each tick came; ``work`` is done at each of them, as video would."""
    late, start = [], time.perf_counter()
    for tick in range(int(seconds * RATE_HZ)):
        due = start + tick / RATE_HZ
        time.sleep(max(due - time.perf_counter(), 0))
        late.append(1000 * (time.perf_counter() - due))
        work()
    return late


def resized(picture: np.ndarray) -> None:
    cv2.GaussianBlur(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA), (5, 5), 0)


def describing(model: LocalModel, jpeg: bytes, until: threading.Event, seconds: list[float]) -> None:
    request = Request(Role.DESCRIBE, SceneState(), pictures=(Picture(jpeg, 0, 0.0, (512, 288)),))
    while not until.is_set():
        if any(isinstance(event, Done) for event in model.respond(request)):
            seconds.append(model.last_seconds)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    picture = np.random.default_rng(0).integers(0, 255, (288, 512, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    cv2.setNumThreads(1)
    full = cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_CUBIC)
    works: dict[str, Callable[[], None]] = {
        "nothing": lambda: None,
        "resizes 1280x720": lambda: resized(full),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        found = model_folder(write_model(Path(folder), "256M"))
        for threads in (0, *sorted({max(usable_cores() - 1, 1), usable_cores()})):
            for name, work in works.items():
                model, until, took = LocalModel(found, threads=threads), threading.Event(), []
                thread = threading.Thread(target=describing, args=(model, jpeg, until, took))
                if threads:
                    thread.start()
                    while not took:
                        time.sleep(0.1)
                late = lateness_ms(seconds, work)
                model.cancel()
                until.set()
                if threads:
                    thread.join()
                model.close()
                p50, p99, worst = np.percentile(late, (50, 99, 100))
                rows.append((
                    f"{threads} threads describe" if threads else "no model", name, f"{p50:.2f}", f"{p99:.2f}",
                    f"{worst:.2f}", f"{np.median(took):.1f}" if took else "", "yes" if p99 <= GOAL_MS else "NO",
                ))  # fmt: skip
    show(
        f"Lateness of a {RATE_HZ:.0f} Hz ticker beside a local model",
        ("beside", "each tick does", "p50 ms", "p99 ms", "worst ms", "s a caption", f"p99 <= {GOAL_MS:.0f} ms"),
        rows,
        "96 words a caption, which a real model seldom needs.",
    )


if __name__ == "__main__":
    main()
