"""The same network on ONNX Runtime and on LiteRT: the same points, boxes and mattes, on photos and on video."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models.cards import load_card
from scenescope.models.vision.base import open_model
from scenescope.models.vision.decoders.anchors import overlap
from scenescope.models.vision.mattes import full_alpha

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
CLIP, EVERY, FRAMES = "one-by-one-person-detection.mp4", 20, 50


@pytest.fixture(scope="module")
def sample_photos(photos):
    return [cv2.imread(str(photos / name)) for name in PHOTOS]


@pytest.fixture
def video_frames(media):
    capture = cv2.VideoCapture(str(media(CLIP)))
    frames = []
    while len(frames) < FRAMES:
        for _ in range(EVERY):
            capture.grab()
        frames.append(capture.retrieve()[1])
    capture.release()
    return frames


def pairs(name, pictures, **options):
    """What both runtimes find in every picture."""
    found = []
    for card in (load_card(name), load_card(f"{name}_tflite")):
        model = open_model(card)
        model.load()
        assert model.placement().device == "CPU"
        found.append(model.infer(pictures, **options))
        model.close()
    return list(zip(*found, strict=True))


def poses_agree(pictures) -> int:
    people = 0
    for one, other in pairs("movenet_singlepose_lightning_192", pictures):
        assert len(one) == len(other)
        assert np.abs(one.xy - other.xy).max(initial=0) < 1, "pixels"
        assert np.abs(one.confidence - other.confidence).max(initial=0) < 0.01
        people += len(one)
    return people


def faces_agree(pictures) -> int:
    faces = 0
    for one, other in pairs("blazeface_short_range_128", pictures, confidence=0.4):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert overlap(a.xyxy[0], b.xyxy)[0] >= 0.98
            assert np.abs(a.points_xy - b.points_xy).max() < 1, "pixels"
        faces += len(one)
    return faces


def mattes_agree(pictures) -> int:
    areas = 0
    for one, other in pairs("selfie_segmentation_256", pictures):
        assert len(one) == len(other)
        difference = np.abs(full_alpha(one).astype(np.float32) - full_alpha(other))
        assert difference.mean() < 1, "of 255"
        areas += len(one)
    return areas


@pytest.mark.parametrize(("agree", "least"), [(poses_agree, 1), (faces_agree, 1), (mattes_agree, 1)])
def test_on_the_photos(agree, least, sample_photos):
    assert agree(sample_photos) >= least


@pytest.mark.slow
@pytest.mark.parametrize(("agree", "least"), [(poses_agree, 25), (faces_agree, 10), (mattes_agree, 25)])
def test_on_fifty_frames(agree, least, video_frames):
    assert agree(video_frames) >= least
