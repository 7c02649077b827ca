from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from scenescope.app.settings import Environment
from scenescope.app.window import Desktop, _faults_told
from scenescope.pipelines import presets
from scenescope.pipelines.sources.demo import DemoCamera
from scenescope.widgets.banner import Banner
from scenescope.widgets.settings import MemorySettings

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def desktop(qtbot: QtBot) -> Iterator[Desktop]:
    made = Desktop(presets.load(presets.DEFAULT), MemorySettings(), Environment.read())
    yield made
    made.close()


def test_the_window_sees_detects_tracks_and_describes(desktop: Desktop, qtbot: QtBot):
    desktop.window.show()
    desktop.window.show_source(DemoCamera(seed=0), "demo")
    qtbot.waitUntil(lambda: desktop.window.viewport.picture is not None, timeout=20000)
    # On a busy machine the first description may come before all of them are found.
    words = {"person", "cat", "cup"}
    qtbot.waitUntil(
        lambda: any(all(word in m.text for word in words) for m in desktop.assistant.messages), timeout=30000
    )
    qtbot.waitUntil(lambda: bool(desktop.window.viewport.picture.objects), timeout=20000)


def test_the_assistant_knows_the_menus(desktop: Desktop):
    assert any(entry.startswith("Source > Demo camera (Ctrl+") for entry in desktop._menu)


def test_what_nobody_caught_is_shown_with_a_report_to_copy(desktop: Desktop, qtbot: QtBot, capsys):
    def break_down() -> None:
        raise ZeroDivisionError("of the test")

    def banner_with(words: str) -> Banner | None:
        banners = desktop.window.findChildren(Banner)
        return next((b for b in banners if b.isVisible() and words in b.message.text()), None)

    desktop.window.show()
    with _faults_told(desktop._tell):
        thread = threading.Thread(target=break_down, name="worker-7")
        thread.start()
        thread.join()
        qtbot.waitUntil(lambda: banner_with("thread worker-7") is not None, timeout=5000)
        banner_with("thread worker-7").button.click()
        report = QGuiApplication.clipboard().text()
        assert "ZeroDivisionError: of the test" in report
        assert "Traceback" in report
        sys.excepthook(KeyError, KeyError("in a slot"), None)
        qtbot.waitUntil(lambda: banner_with("in a slot") is not None, timeout=5000)
    assert "ZeroDivisionError: of the test" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_takes_a_picture_of_itself(cli: Cli, tmp_path: Path):
    shot = tmp_path / "shot.png"
    done = cli("demo", "--seconds", "4", "--screenshot", shot, "--size", "1200x760", DISPLAY=None, QT_QPA_PLATFORM=None)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    image = cv2.imread(str(shot))
    assert image.shape == (760, 1200, 3)
    # Menus, lists and pictures, not an empty frame.
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 5000
    assert not (tmp_path / "config").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_closes_the_window(environment):
    command = [sys.executable, "-m", "scenescope.app", "gui", "demo"]
    env = {**environment, "QT_QPA_PLATFORM": "offscreen"}
    settings = Path(env["SCENESCOPE_CONFIG_DIR"]) / "settings.json"
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as window:
        try:
            deadline = time.monotonic() + 60
            # The settings are written while the window is put together; then the loop of events begins.
            while not settings.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)
            os.kill(window.pid, signal.SIGINT)
            _, stderr = window.communicate(timeout=30)
        finally:
            window.kill()
    assert window.returncode == 0, stderr
    assert "Traceback" not in stderr


def test_an_unknown_pipeline_is_told_before_a_window_opens(cli: Cli, film: Path):
    done = cli("gui", film, "--pipeline", "no-such-preset", QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 2
    assert "no-such-preset" in done.stderr
