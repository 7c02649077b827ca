"""The real window on a real window system: X11, in a virtual screen that the test starts itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.pipelines.sources import code_marker

pytestmark = pytest.mark.alone

XVFB = shutil.which("Xvfb")


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual screen of 1600x1000; its number is chosen by the server."""
    if XVFB is None:
        pytest.skip("Xvfb is not installed; the windows of the other tests are offscreen ones")
    read_fd, write_fd = os.pipe()
    server = subprocess.Popen(
        [XVFB, "-displayfd", str(write_fd), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=[write_fd],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_fd)
    with os.fdopen(read_fd) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.mark.slow
@pytest.mark.xvfb
def test_the_demo_shows_its_picture_on_x11(display, tmp_path):
    shot = tmp_path / "shot.png"
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": str(tmp_path)}
    environment.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-m", "scenescope.app", "demo", "--seconds", "6", "--screenshot", str(shot)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    picture = viewed(shot)
    shown = code_marker.read(picture)
    assert shown is not None, "the code of the picture that was on the screen can be read back"
    assert 30 < shown < 300


ASSISTANT = """
import sys
from pathlib import Path
from scenescope.app.environment import prepare_process
from scenescope.app.settings import Environment
prepare_process()
from scenescope.app.assistant.office_fakes import SPEC, Players, Talk, write_film
from scenescope.app.window import Desktop, make_application
from scenescope.models.language import MessageKind
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import FaultServer, words
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Capabilities
from scenescope.pipelines import STAGES
from scenescope.widgets.assistant_choices import ServerRow, put_servers
from scenescope.widgets.settings import MemorySettings

folder = Path(sys.argv[1])
environment = Environment(folder / "config", folder / "data", offline=True)
application = make_application()
STAGES.add("players", Players)
with FaultServer() as server:
    server.script(words("A person walks beside 7 dogs."))
    desktop = Desktop(SPEC, MemorySettings(), environment)
    talk = Talk(desktop, environment)
    talk.panel.setMinimumSize(400, 780)
    talk.window.resize(1500, 950)
    talk.window.show()
    talk.press("Ctrl+Shift+D")
    row = ServerRow("s", "Server", server.url, "m")
    ProbeMemory(environment.data_dir / "servers.json").keep(Endpoint(row.url, row.model), Capabilities(("m",)))
    put_servers(talk.window.settings, [row])
    talk.window.open_source_text(str(write_film(folder / "walk.mp4")))
    talk.until(talk.assistant.known_labels)
    talk.say("tell me when a dog appears")
    talk.window.playback.restart()
    talk.until(lambda: any(one.kind is MessageKind.WATCH for one in talk.assistant.messages))
    talk.say("blur faces")
    talk.say("stop blurring faces")
    talk.choose("Server")
    last = talk.say("why does the person hurry so much?")
    talk.view(last)
    talk.settle()
    assert talk.panel.grab().save(sys.argv[2])
    print(last.notes)
    desktop.close()
"""


@pytest.mark.slow
@pytest.mark.xvfb
def test_the_assistant_shows_a_change_a_proposal_a_watch_and_a_warning_on_x11(display, tmp_path):
    shot = tmp_path / "shot.png"
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    environment.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-c", ASSISTANT, str(tmp_path), str(shot)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "7" in done.stdout
    image = cv2.imread(str(shot))
    # Words, cards and buttons, not an empty frame.
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 200


def viewed(shot: Path):
    """The demo camera's picture cut out of a screenshot, found by the plain dark edge of the strip below it."""
    image = cv2.imread(str(shot))
    assert image is not None
    dark = (np.abs(image.astype(int) - code_marker.PANEL) <= 2).all(axis=2)
    long = np.flatnonzero(dark.sum(axis=1) > 400)
    assert len(long), "the strip of the demo camera is on the screen"
    columns = np.flatnonzero(dark[long[-1]])
    left, right, bottom = columns[0], columns[-1] + 1, long[-1] + 1
    assert dark[bottom - 1, left:right].all(), "one unbroken edge"
    top = bottom - round((right - left) * 9 / 16)
    return np.ascontiguousarray(image[max(top, 0) : bottom, left:right])
