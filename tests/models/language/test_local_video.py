"""The video goes on while the process of a local model is killed and started again."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image

from scenescope.models.budget import ThreadBudget
from scenescope.models.language import Done, Picture, Request, Role
from scenescope.models.language.local import Limits, LocalModel, model_folder
from scenescope.models.language.local.fakes import write_model
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import FrameReady
from scenescope.pipelines.fakes import CollectingSink, FakeSource, fake_registry
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.slots import DropPolicy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]


def test_no_frame_is_missed_while_the_process_is_killed_and_started_again(tmp_path: Path):
    folder = model_folder(write_model(tmp_path / "tiny"))
    model = LocalModel(folder, device="cpu", limits=Limits(back_off_s=0.01, failures=99))
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    request = Request(Role.DESCRIBE, SceneState(), pictures=(Picture(file.getvalue(), 0, 0.0, (64, 48)),))
    sink, shown, pids = CollectingSink(), [], []
    engine = Engine(PipelineSpec(), sinks=[sink], registry=fake_registry(), budget=ThreadBudget(1, 1))
    engine.subscribe(lambda event: shown.append(event.index) if isinstance(event, FrameReady) else None)
    try:
        engine.start(FakeSource(None, live=True), policy=DropPolicy.EVERY_FRAME)
        for _ in range(3):
            # The first answer may be that it has died just now.
            while not isinstance(list(model.respond(request))[-1], Done):
                assert len(pids) < 3
            pids.append(model.process_id)
            os.kill(pids[-1], signal.SIGKILL)
        dropped, captured = engine.counts.dropped, engine.counts.captured
    finally:
        assert engine.stop(10)
        model.close()
    assert len(set(pids)) == 3
    assert shown == sink.indices == list(range(len(shown)))
    assert len(shown) >= captured > 30
    assert dropped == 0
