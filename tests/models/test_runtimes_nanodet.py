"""The bundled detector in its two formats on three runtimes: the same boxes, on photos and on video."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from scenescope.models import Detections
from scenescope.models.cards import ModelCard, load_card
from scenescope.models.vision.base import VisionModel, open_model

pytestmark = pytest.mark.slow

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
NAME, CLIP, FRAMES, EVERY = "nanodet_g_416_coco", "one-by-one-person-detection.mp4", 50, 10


def cards() -> list[ModelCard]:
    onnx = load_card(NAME)
    return [onnx, load_card(f"{NAME}_tflite"), replace(onnx, runtime="opencv")]


@pytest.fixture(scope="module")
def detectors() -> list[VisionModel]:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    models = [open_model(card) for card in cards()]
    for model in models:
        model.load()
        assert model.placement().device == "CPU"
    yield models
    for model in models:
        model.close()


def ious(one: Detections, other: Detections) -> np.ndarray:
    """Intersection over union of the boxes of a row each."""
    low = np.maximum(one.xyxy[:, :2], other.xyxy[:, :2])
    high = np.minimum(one.xyxy[:, 2:], other.xyxy[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    return both / (one.size_wh.prod(axis=1) + other.size_wh.prod(axis=1) - both)


def agree(detectors: list[VisionModel], image: np.ndarray) -> int:
    """Check that all find the same in a picture; how many objects that are."""
    first, *others = (model.infer([image], confidence=0.3)[0] for model in detectors)
    for other in others:
        assert first.labels == other.labels
        assert np.abs(first.confidence - other.confidence).max(initial=0) < 1e-3
        assert ious(first, other).min(initial=1) >= 0.98
    return len(first)


def test_photos_show_the_same_on_every_runtime(detectors, photos, bus):
    found = [agree(detectors, cv2.imread(str(path))) for path in (bus, *(photos / name for name in PHOTOS))]
    assert found[0] >= 4
    assert sum(found) >= 8


@pytest.mark.slow
def test_video_shows_the_same_on_every_runtime(detectors, media):
    capture = cv2.VideoCapture(str(media(CLIP)))
    found = []
    while len(found) < FRAMES:
        for _ in range(EVERY):
            assert capture.grab()
        found.append(agree(detectors, capture.retrieve()[1]))
    capture.release()
    assert sum(found) >= FRAMES
