"""Scene cuts: the exact frame, each once, and none where the camera only moves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import EventKind, SceneScore
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.overlay import OverlayPainter
from scenescope.pipelines.stages.motion.scene_cuts import SceneCuts

pytestmark = pytest.mark.slow

NAMES = ("coffee.png", "chelsea.png", "astronaut.png", "rocket.jpg")
CUTS = (30, 55, 90)
METHODS = ("adaptive", "content", "hash", "histogram")


@pytest.fixture(scope="module")
def film(photos) -> list[np.ndarray]:
    """Four photos, each filmed by a camera that moves, with hard cuts at CUTS."""
    pictures = [cv2.resize(cv2.imread(str(photos / name)), (400, 300), interpolation=cv2.INTER_AREA) for name in NAMES]
    frames = []
    for index in range(120):
        scene = sum(index >= cut for cut in CUTS)
        frames.append(filmed(pictures[scene], index))
    return frames


def filmed(picture: np.ndarray, index: int) -> np.ndarray:
    shift = np.float32([[1.05, 0.01, 0.4 * index - 30], [-0.01, 1.05, 8 * np.sin(index / 9) - 10]])
    moved = cv2.warpAffine(picture, shift, (400, 300), borderMode=cv2.BORDER_REFLECT)
    return moved[20:260, 40:360]


def opened(**params) -> SceneCuts:
    stage = SceneCuts(SceneCuts.validated(params))
    stage.context = StageContext(stage_id="scene_cuts", rate_hz=25)
    stage.open(stage.context)
    return stage


def show(stage: SceneCuts, images, first: int = 0, t_s=lambda index: index / 25) -> list[SceneScore]:
    frames = (Frame(image, first + at, t_s(first + at)) for at, image in enumerate(images))
    return [stage.process(frame).results["scene_cuts"].value for frame in frames]


def cuts(results: list[SceneScore]) -> list[tuple[int, float]]:
    events = [event for result in results for event in result.events]
    assert all(event.kind is EventKind.SCENE_CHANGE for event in events)
    return [(event.frame, event.t_s) for event in events]


@pytest.mark.parametrize("method", METHODS)
def test_every_cut_has_its_own_frame_and_time(film, method):
    results = show(opened(method=method), film)
    assert cuts(results) == [(cut, cut / 25) for cut in CUTS]
    assert results[-1].scene.tolist() == [4]
    assert all(event.value >= results[0].threshold[0] for result in results for event in result.events)
    assert len(results[-1][0]) == 1


def test_the_time_is_that_of_the_frame_where_the_rate_varies(film):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.08, len(film)))
    results = show(opened(), film, t_s=lambda index: float(times[index]) - 3)
    assert cuts(results) == [(cut, float(times[cut]) - 3) for cut in CUTS]


@pytest.mark.parametrize("method", METHODS)
def test_a_moving_camera_is_no_cut(film, method):
    assert cuts(show(opened(method=method), film[: CUTS[0]])) == []


def test_a_flash_is_no_scene(film):
    """The library's filter joins cuts that follow one another sooner than a scene may last."""
    images = [image.copy() for image in film[:30]]
    images[15] = cv2.convertScaleAbs(images[15], alpha=1, beta=120)
    assert len(cuts(show(opened(method="content", shortest_s=1.0), images))) == 0


def test_a_jump_of_the_player_is_no_cut_and_a_cut_is_told_once(film):
    stage = opened()
    assert cuts(show(stage, film[:40])) == [(30, 1.2)]
    assert cuts(show(stage, film[60:80], first=200)) == []
    again = show(stage, film[20:70], first=20)
    assert cuts(again) == [(55, 2.2)]
    assert again[0].scene.tolist() == [1]
    assert again[-1].scene.tolist() == [3]


def test_from_the_beginning_all_is_told_anew(film):
    stage = opened()
    first = cuts(show(stage, film[:60]))
    assert cuts(show(stage, film[:60])) == first == [(30, 1.2), (55, 2.2)]


def test_other_parameters_need_a_new_detector(film):
    stage = opened()
    assert stage.needs_reopen(SceneCuts.validated({"method": "hash"}))
    assert not stage.needs_reopen(SceneCuts.validated({}))
    assert cuts(show(opened(threshold=200), film)) == []


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 500), (500, 2)])
@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_any_size_pass(method, size_wh):
    images = [np.full((size_wh[1], size_wh[0], 3), grey, np.uint8) for grey in (0, 0, 255, 255, 0, 0)]
    assert len(show(opened(method=method), images)) == 6


def test_the_number_of_the_scene_is_shown(film):
    result = show(opened(), film[:60])[-1]
    image = np.zeros((240, 320, 3), np.uint8)
    OverlayPainter().paint(image, [("scene_cuts", result.warped(np.eye(3)))])
    assert image[215:, :90].any()
    assert not image[:200].any()
