"""Fixtures for all tests; the autouse ones fail a test that leaves a widget, a thread or a process behind."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import psutil
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(__file__).parent / ".ultralytics"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MEDIA = Path(__file__).resolve().parent.parent.parent / "shared" / "media"

TESTS_RUN = itertools.count(1)
COLLECT_ALL_EVERY = 500

# Pools that libraries keep for the life of the process, not the test's doing.
LASTING_THREADS = (
    "ThreadPoolExecutor",
    "asyncio_",
    "QtThread",
    "pydevd",
    "tmp-cleanup",
    "pytest-timeout",
    "tqdm_monitor",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what wants a model of a hub and a person, unless it is asked for by its mark."""
    if "needs_hub" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("needs_hub") is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.get_closest_marker("needs_hub") is None]


def pytest_configure() -> None:
    """Python may collect cycles on any thread, and a window of an earlier test that dies there ends the process."""
    gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """So they are collected here, between tests: what the last one left, and now and then everything."""
    try:
        return (yield)
    finally:
        gc.collect(0 if next(TESTS_RUN) % COLLECT_ALL_EVERY else 2)


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread of ours, a child process or a top-level widget behind."""
    threads_before = set(threading.enumerate())
    children_before = {child.pid for child in psutil.Process().children(recursive=True)}
    widgets_before = set(_top_level_widgets())
    yield
    problems = []
    left = _wait_until_gone(lambda: [t for t in threading.enumerate() if t not in threads_before and _is_ours(t)])
    if left:
        problems.append(f"threads: {[t.name for t in left]}")
    children = _wait_until_gone(
        lambda: [c for c in psutil.Process().children(recursive=True) if c.pid not in children_before]
    )
    if children:
        problems.append(f"processes: {[c.name() for c in children]}")
    widgets = [w for w in _top_level_widgets() if w not in widgets_before]
    if widgets:
        problems.append(f"widgets: {[type(w).__name__ for w in widgets]}")
    if problems:
        pytest.fail(f"{request.node.name} leaves behind " + "; ".join(problems))


def _is_ours(thread: threading.Thread) -> bool:
    return not any(thread.name.startswith(name) for name in LASTING_THREADS)


def _wait_until_gone(find: Callable[[], list], timeout_s: float = 3.0) -> list:
    deadline = time.monotonic() + timeout_s
    while (left := find()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def _top_level_widgets() -> list:
    import sys

    widgets = sys.modules.get("PySide6.QtWidgets")
    app = widgets.QApplication.instance() if widgets else None
    if app is None or not isinstance(app, widgets.QApplication):
        return []
    core = sys.modules["PySide6.QtCore"]
    # Deleted-later widgets are only gone once their event has been handled.
    core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete)
    app.processEvents()
    return [w for w in app.topLevelWidgets() if w.parent() is None]


@pytest.fixture
def media() -> Callable[[str], Path]:
    """Path of a clip that is not part of the repository; skips the case when it is absent."""

    def find(name: str) -> Path:
        path = MEDIA / name
        if not path.exists():
            pytest.skip(f"{name} is not part of the repository and not beside it")
        return path

    return find


@pytest.fixture(scope="session")
def bus() -> Path:
    """The photo of a bus and people that the ultralytics package carries."""
    import importlib.util

    spec = importlib.util.find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("ultralytics carries bus.jpg and is not installed")
    return Path(spec.submodule_search_locations[0]) / "assets" / "bus.jpg"


@pytest.fixture(scope="session")
def photos() -> Path:
    """Folder of the sample photos."""
    return Path(str(files("scenescope.resources").joinpath("samples")))
