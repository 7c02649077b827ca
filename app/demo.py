"""``scenescope demo``: the main job on a camera that everybody has, and the picture of it for the README."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from scenescope.app.environment import check_display, wants_no_window
from scenescope.app.settings import Environment, Settings, change_environment
from scenescope.models import SinkError

__all__ = ["show_demo"]

SCREENSHOT_AFTER_S = 5.0
# A slow machine may need longer than asked for until there is something to take a picture of.
FIRST_PICTURE_WITHIN_S = 30.0


def show_demo(
    seconds: float | None = None,
    screenshot: Path | None = None,
    seed: int = 0,
    size_wh: tuple[int, int] | None = None,
) -> int:
    """Show the demo camera, detected, tracked and described.

    Args:
        seconds: close by itself after this time; 5 s when only a screenshot is asked for.
        screenshot: PNG file for a picture of the whole window, taken at the end.
        seed: of the demo camera.
        size_wh: of the window.

    Raises:
        ScenescopeError: no window can be shown, or the screenshot cannot be written.
    """
    environment = Environment.read()
    by_itself = seconds is not None or screenshot is not None
    if by_itself and _has_no_display(environment):
        # Nobody would see the window; Qt draws it into memory.
        change_environment({"QT_QPA_PLATFORM": "offscreen"})
        environment = replace(environment, qt_platform="offscreen")
    if screenshot is not None:
        _check_writable(screenshot)

    check_display(environment)
    from PySide6.QtCore import QTimer

    from scenescope.app.window import Desktop, make_application
    from scenescope.pipelines import presets
    from scenescope.pipelines.sources.demo import DemoCamera
    from scenescope.widgets.settings import MemorySettings

    application = make_application()
    # A demo that ends by itself looks the same everywhere and leaves no trace.
    settings = MemorySettings() if by_itself else Settings.of_user(environment)
    desktop = Desktop(presets.load(presets.DEFAULT), settings, environment)
    window = desktop.window
    if size_wh is not None:
        window.resize(*size_wh)
    window.show_source(DemoCamera(seed=seed), f"demo:seed={seed}")
    failure: list[SinkError] = []
    waited_s = 0.0

    def look() -> None:
        nonlocal waited_s
        if window.viewport.picture is None and waited_s < FIRST_PICTURE_WITHIN_S:
            waited_s += 0.1
            QTimer.singleShot(100, look)
            return
        try:
            if screenshot is not None and not window.grab().save(str(screenshot), "PNG"):
                failure.append(SinkError(f"Cannot write {screenshot}.", hint="Choose another file."))
        finally:
            window.close()

    if by_itself:
        QTimer.singleShot(round((seconds or SCREENSHOT_AFTER_S) * 1000), look)
    try:
        code = desktop.run(application)
    finally:
        desktop.close()
    if failure:
        raise failure[0]
    return code


def _has_no_display(environment: Environment) -> bool:
    on_linux = sys.platform.startswith("linux")
    return on_linux and not (environment.display or environment.wayland_display or wants_no_window(environment))


def _check_writable(path: Path) -> None:
    """Complain before the demo runs, not after it.

    Raises:
        SinkError: no file can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise SinkError(f"Cannot write {path}: {error.strerror}.", hint="Choose another file.") from error
