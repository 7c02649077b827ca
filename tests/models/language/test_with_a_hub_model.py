"""What a real model says, for a person to judge: ``pytest -s -m needs_hub``, with a model downloaded in the app."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from scenescope.app.environment import take_up_models
from scenescope.app.settings import Environment
from scenescope.models.catalogue import current
from scenescope.models.language import Done, Picture, Request, Role, TextDelta
from scenescope.models.language.local import LocalModel, local_models
from scenescope.pipelines.look_ring import jpeg_of
from scenescope.pipelines.scene_state import SceneState

pytestmark = [pytest.mark.needs_hub, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def model():
    _, put_back = take_up_models(Environment.read())
    folders = local_models(current())
    put_back()
    if not folders:
        pytest.fail("There is no model to judge: download SmolVLM in Models... first.")
    model = LocalModel(folders[0])
    yield model
    model.close()


@pytest.mark.parametrize("question", ["", "How many people are there?", "What is the bus's colour?"])
def test_a_photo_is_described(model: LocalModel, bus: Path, question: str):
    data, size_wh = jpeg_of(cv2.imread(str(bus)))
    role = Role.LOOK if question else Role.DESCRIBE
    events = list(model.respond(Request(role, SceneState(), question, pictures=(Picture(data, 0, 0.0, size_wh),))))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    print(f"\n{question or 'Describe.'}\n  {text}  ({model.last_seconds:.1f} s)")
    assert isinstance(events[-1], Done)
    assert text.strip()
