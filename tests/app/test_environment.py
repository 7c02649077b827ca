from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenescope.app import environment as env
from scenescope.app.settings import Environment

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the libraries of Linux")


def fresh(code: str, **variables: str) -> str:
    """What a new process prints that runs ``code`` with these variables alone, besides PATH and HOME."""
    import os

    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_opencv_does_not_lead_qt_to_its_own_plugins():
    code = (
        "import os; from scenescope.app.environment import neutralise_opencv_qt as n; n(); "
        "print([v for k, v in os.environ.items() if k.startswith('QT_QPA_')], 'cv2' in __import__('sys').modules)"
    )
    assert fresh(code) == "[] True"
    assert fresh(f"import cv2; {code}") == "[] True"


def test_what_the_user_has_set_for_qt_is_kept():
    code = (
        "import os; from scenescope.app.environment import neutralise_opencv_qt as n; n(); "
        "print(os.environ['QT_QPA_PLATFORM_PLUGIN_PATH'])"
    )
    assert fresh(code, QT_QPA_PLATFORM_PLUGIN_PATH="/mine") == "/mine"


def test_qt_starts_after_opencv_was_imported():
    code = (
        "import cv2; from scenescope.app.window import make_application; a = make_application(); "
        "import PySide6.QtGui as g; print(g.QGuiApplication.platformName())"
    )
    assert fresh(code, QT_QPA_PLATFORM="offscreen") == "offscreen"


def test_the_process_is_prepared():
    code = (
        "import os, sys; from scenescope.app.environment import prepare_process as p; p(); "
        "print(sys.getswitchinterval(), os.environ['YOLO_AUTOINSTALL'], os.environ['OPENBLAS_NUM_THREADS'], "
        "os.environ.get('HF_HUB_OFFLINE'), 'numpy' in sys.modules)"
    )
    assert fresh(code) == "0.0005 false 1 None False"
    assert fresh(code, OPENBLAS_NUM_THREADS="3", SCENESCOPE_OFFLINE="1") == "0.0005 false 3 1 False"


def environment(**changes: str) -> Environment:
    return Environment(Path("c"), Path("d"), **changes)


@LINUX
def test_missing_libraries_are_named_with_the_packages_that_bring_them(monkeypatch):
    gone = {"libEGL.so.1", "libxcb-cursor.so.0", "libwayland-cursor.so.0"}
    loaded = env._loaded
    monkeypatch.setattr(env, "_loaded", lambda soname: None if soname in gone else loaded(soname) or object())
    assert [lib.package for lib in env.missing_libraries()] == ["libegl1"]
    assert [lib.package for lib in env.missing_libraries(x11=True)] == ["libegl1", "libxcb-cursor0"]
    assert [lib.package for lib in env.missing_libraries(wayland=True)] == ["libegl1", "libwayland-cursor0"]
    message, hint = env.display_problem(environment(display=":0")) or ("", "")
    assert message == "No window can be shown: the system lacks libEGL.so.1, libxcb-cursor.so.0."
    assert hint == "Install: sudo apt-get install -y libegl1 libxcb-cursor0"
    message, _ = env.display_problem(environment(qt_platform="offscreen")) or ("", "")
    assert message == "No window can be shown: the system lacks libEGL.so.1."


@LINUX
def test_offscreen_needs_no_display():
    assert env.display_problem(environment(qt_platform="offscreen")) is None
    assert "There is no display" in (env.display_problem(environment()) or ("",))[0]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_there_is_nothing_to_ask(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert env.display_problem(environment()) is None
    assert env.missing_libraries(x11=True, wayland=True) == []
