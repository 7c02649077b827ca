"""Makes the process fit to run OpenCV, Qt and the network runtimes side by side. Called before they are imported."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from scenescope.app.settings import Environment, change_environment, variable

if TYPE_CHECKING:
    from scenescope.models.catalogue.download import Downloader

__all__ = [
    "HEADLESS_HINT",
    "SystemLibrary",
    "apt_line",
    "check_display",
    "display_problem",
    "missing_libraries",
    "neutralise_opencv_qt",
    "prepare_process",
    "take_up_models",
    "wants_no_window",
]

# A thread that runs Python gives way after 0.5 ms instead of 5: the window stays smooth beside it, and ONNX Runtime
# keeps 0.96 of its speed instead of 0.67 to 0.90.
SWITCH_INTERVAL_S = 0.0005

_KERAS_BACKENDS = ("tensorflow", "torch", "jax")

_OPENCV_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")

# Platforms of Qt that show nothing and need no window system.
_WINDOWLESS = ("offscreen", "minimal", "vnc")


@dataclass(frozen=True)
class SystemLibrary:
    """A library that Qt loads from the system, and the Debian or Ubuntu package that brings it."""

    soname: str
    package: str


# What PySide6's wheel needs from a Debian or Ubuntu without a desktop: Qt itself, then its plugins for X11 and Wayland.
_QT_LIBRARIES = (
    SystemLibrary("libEGL.so.1", "libegl1"),
    SystemLibrary("libGL.so.1", "libgl1"),
    SystemLibrary("libfontconfig.so.1", "libfontconfig1"),
    SystemLibrary("libdbus-1.so.3", "libdbus-1-3"),
    SystemLibrary("libgthread-2.0.so.0", "libglib2.0-0"),
    SystemLibrary("libxkbcommon.so.0", "libxkbcommon0"),
    SystemLibrary("libpulse.so.0", "libpulse0"),
)
_X11_LIBRARIES = (
    SystemLibrary("libX11-xcb.so.1", "libx11-xcb1"),
    SystemLibrary("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    SystemLibrary("libxcb-cursor.so.0", "libxcb-cursor0"),
    SystemLibrary("libxcb-icccm.so.4", "libxcb-icccm4"),
    SystemLibrary("libxcb-image.so.0", "libxcb-image0"),
    SystemLibrary("libxcb-keysyms.so.1", "libxcb-keysyms1"),
    SystemLibrary("libxcb-randr.so.0", "libxcb-randr0"),
    SystemLibrary("libxcb-render-util.so.0", "libxcb-render-util0"),
    SystemLibrary("libxcb-shape.so.0", "libxcb-shape0"),
    SystemLibrary("libxcb-sync.so.1", "libxcb-sync1"),
    SystemLibrary("libxcb-xfixes.so.0", "libxcb-xfixes0"),
    SystemLibrary("libxcb-xkb.so.1", "libxcb-xkb1"),
)
_WAYLAND_LIBRARIES = (
    SystemLibrary("libwayland-client.so.0", "libwayland-client0"),
    SystemLibrary("libwayland-cursor.so.0", "libwayland-cursor0"),
)

HEADLESS_HINT = "Without a window, use: scenescope run SOURCE --out DIR --video"


def prepare_process(environment: Environment | None = None) -> None:
    """Set what must be set before numpy, OpenCV and the network runtimes are imported; harmless when called again."""
    environment = environment or Environment.read()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    wished = {
        # numpy's own pool would compete with the frames that are processed side by side.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # TensorFlow would take all memory of a GPU that other runtimes use too.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        # Keras takes one backend for the life of the process.
        "KERAS_BACKEND": next((name for name in _KERAS_BACKENDS if find_spec(name) is not None), ""),
    }
    changes: dict[str, str | None] = {name: value for name, value in wished.items() if value and not variable(name)}
    # Unless it is told not to, ultralytics installs packages at run time, asks the network for its name when it is
    # imported, and writes a settings file of its own. What is downloaded, the catalogue downloads.
    changes |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    if not variable("YOLO_CONFIG_DIR"):
        changes["YOLO_CONFIG_DIR"] = str(environment.data_dir / "ultralytics")
    if environment.offline:
        changes |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    change_environment(changes)


def take_up_models(environment: Environment) -> tuple[Downloader, Callable[[], None]]:
    """Let stages find the user's own networks too. Call it after ``prepare_process``.

    Returns:
        What fetches more of them, and a call that undoes this.
    """
    from scenescope.models.catalogue import Catalogue, use
    from scenescope.models.catalogue.download import HUB, Downloader

    catalogue = Catalogue(environment.models_dir, environment.offline)
    return Downloader(catalogue, variable("HF_ENDPOINT") or HUB), use(catalogue)


def neutralise_opencv_qt() -> None:
    """Import OpenCV and undo what its Linux wheel does to Qt: it points Qt at plugins of another version of Qt.

    Call it before ``QApplication`` is made. What the user has set is kept.
    """
    wished = {name: variable(name) for name in _OPENCV_QT_VARIABLES}
    import cv2

    own = str(Path(cv2.__file__).parent)
    change_environment({name: value if value and own not in value else None for name, value in wished.items()})


def wants_no_window(environment: Environment) -> bool:
    """True when Qt is told to show nothing."""
    return environment.qt_platform.split(":")[0] in _WINDOWLESS


def display_problem(environment: Environment) -> tuple[str, str] | None:
    """Why no window can be shown: a sentence and what to do; None when it can.

    Qt does not report such a thing, it aborts the process; so this is asked before Qt is loaded.
    """
    if not sys.platform.startswith("linux"):
        return None
    windowless = wants_no_window(environment)
    if not windowless and not environment.display and not environment.wayland_display:
        return (
            "There is no display to show a window on (neither DISPLAY nor WAYLAND_DISPLAY is set).",
            HEADLESS_HINT,
        )
    on_wayland = bool(environment.wayland_display) and not environment.qt_platform.startswith("xcb")
    missing = missing_libraries(x11=not windowless and not on_wayland, wayland=not windowless and on_wayland)
    if missing:
        names = ", ".join(library.soname for library in missing)
        return f"No window can be shown: the system lacks {names}.", f"Install: {apt_line(missing)}"
    if not windowless and not (_wayland_answers() if on_wayland else _x11_answers(environment.display)):
        name = environment.wayland_display if on_wayland else environment.display
        return f"The display '{name}' does not answer.", HEADLESS_HINT
    return None


def check_display(environment: Environment) -> None:
    """Make sure that a window can be shown. Call it before Qt is imported.

    Raises:
        ScenescopeError: it cannot; the message says why and what to do, or which command needs no window.
    """
    problem = display_problem(environment)
    if problem is not None:
        # Imported here, since numpy comes with it, and must come after prepare_process.
        from scenescope.models.errors import ScenescopeError

        raise ScenescopeError(problem[0], hint=problem[1], permanent=True)


def apt_line(missing: list[SystemLibrary]) -> str:
    """The command that installs them on Debian and Ubuntu."""
    return "sudo apt-get install -y " + " ".join(library.package for library in missing)


def missing_libraries(x11: bool = False, wayland: bool = False) -> list[SystemLibrary]:
    """System libraries that Qt, or its plugin for X11 or Wayland, needs and cannot load; none but on Linux."""
    if not sys.platform.startswith("linux"):
        return []
    wanted = (*_QT_LIBRARIES, *(_X11_LIBRARIES if x11 else ()), *(_WAYLAND_LIBRARIES if wayland else ()))
    return [library for library in wanted if _loaded(library.soname) is None]


def _loaded(soname: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(soname)
    except OSError:
        return None


def _x11_answers(display: str) -> bool:
    xcb = _loaded("libxcb.so.1")
    if xcb is None:
        return False
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    answers: bool = xcb.xcb_connection_has_error(connection) == 0
    xcb.xcb_disconnect(connection)
    return answers


def _wayland_answers() -> bool:
    wayland = _loaded("libwayland-client.so.0")
    if wayland is None:
        return False
    wayland.wl_display_connect.restype = ctypes.c_void_p
    wayland.wl_display_disconnect.argtypes = [ctypes.c_void_p]
    connection = wayland.wl_display_connect(None)
    if connection:
        wayland.wl_display_disconnect(connection)
    return bool(connection)
