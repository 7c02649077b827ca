"""Stages about colours: a range of them, false ones, and the cartoon's few."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import SpecError
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.stages.edges.colour_range import ColourRange
from scenescope.pipelines.stages.effects.cartoon import Cartoon
from scenescope.pipelines.stages.effects.colour_map import ColourMap


@pytest.fixture(scope="module")
def astronaut(photos) -> Frame:
    return Frame(cv2.imread(str(photos / "astronaut.png")))


def ran(cls, frame, **params) -> Frame:
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id="it")
    stage.open(stage.context)
    return stage.process(frame)


def rainbow() -> np.ndarray:
    """360 columns, one for each degree of hue, fully saturated and light."""
    hsv = np.zeros((20, 360, 3), np.float32)
    hsv[:, :, 0] = np.arange(360)
    hsv[:, :, 1:] = 1
    return np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * 255).astype(np.uint8)


def hues(frame, name="it") -> set[int]:
    """Degrees at which the found area lies in the rainbow."""
    found = frame.result(name)
    columns: set[int] = set()
    for alpha, (x, _) in zip(found.alpha, found.top_left_xy.tolist(), strict=True):
        columns |= {x + int(at) for at in np.flatnonzero(alpha.any(axis=0))}
    return columns


@pytest.mark.parametrize(("start", "end"), [(100, 140), (0, 30), (340, 20), (350, 350), (200, 100)])
def test_a_range_of_hues_goes_clockwise_and_over_red(start, end):
    found = hues(ran(ColourRange, Frame(rainbow()), hue_from_deg=start, hue_to_deg=end, clean_px=0))
    span = (end - start) % 360
    inside = {h for h in range(360) if 2 <= (h - start) % 360 <= span - 2}
    outside = {h for h in range(360) if span + 2 < (h - start) % 360 < 358}
    assert inside <= found
    assert not outside & found


def test_pale_and_dark_colours_are_left_out():
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, :20], image[:, 20:40], image[:, 40:] = (0, 0, 255), (180, 180, 255), (0, 0, 60)
    every = {"hue_from_deg": 0, "hue_to_deg": 360, "clean_px": 0}

    def found(**limits):
        return hues(ran(ColourRange, Frame(image), **every, **limits))

    assert found(min_saturation_percent=50, min_value_percent=50) == set(range(20))
    assert found(min_saturation_percent=50, min_value_percent=10) == {*range(20), *range(40, 60)}
    pale = {"min_saturation_percent": 0, "max_saturation_percent": 50, "min_value_percent": 50}
    assert found(**pale) == set(range(20, 40))


def test_the_orange_suit_is_found_by_its_colour(astronaut):
    after = ran(ColourRange, astronaut, colour="#e06428", tolerance_percent=15)
    assert after.image is astronaut.image
    found = after.result("it")
    assert found.labels == ["colour"]
    x, y = found.top_left_xy[0]
    height, width = found.alpha[0].shape
    full = np.zeros((512, 512), np.uint8)
    full[y : y + height, x : x + width] = found.alpha[0]
    assert full[290:330, 120:190].mean() > 200, "the chest"
    assert full[100:150, 180:260].mean() < 10, "not the face"
    assert full[100:200, 300:350].mean() < 10, "nor the wall"
    assert len(ran(ColourRange, astronaut, colour="#00ff00", tolerance_percent=5).result("it")) == 0


def test_what_becomes_of_the_picture(astronaut):
    suit = {"colour": "#e06428", "clean_px": 0}
    mask = ran(ColourRange, astronaut, show="mask", **suit).image
    assert set(np.unique(mask)) == {0, 255}
    inside = mask[:, :, 0] > 0
    only = ran(ColourRange, astronaut, show="only the colour", **suit).image
    assert np.array_equal(only[inside], astronaut.image[inside])
    assert not only[~inside].any()
    rest = ran(ColourRange, astronaut, show="grey out the rest", **suit).image
    assert np.array_equal(rest[inside], astronaut.image[inside])
    assert (np.ptp(rest[~inside].astype(int), axis=1) == 0).all()


def test_a_wrong_colour_is_refused():
    with pytest.raises(SpecError, match="colour"):
        ColourRange.validated({"colour": "orange"})


def test_cleaning_removes_specks_and_fills_gaps():
    image = np.zeros((60, 60, 3), np.uint8)
    image[20:50, 20:50] = (0, 0, 255)
    image[30, 30] = 0
    image[5, 5] = (0, 0, 255)
    rough = ran(ColourRange, Frame(image), clean_px=0, show="mask").image[:, :, 0] > 0
    clean = ran(ColourRange, Frame(image), clean_px=3, show="mask").image[:, :, 0] > 0
    assert (rough[5, 5], rough[30, 30]) == (True, False)
    assert (clean[5, 5], clean[30, 30]) == (False, True)


# Effects --------------------------------------------------------------------------------------------------------------


def test_a_colour_map_is_that_of_opencv(astronaut):
    grey = cv2.cvtColor(astronaut.image, cv2.COLOR_BGR2GRAY)
    for name in ("viridis", "inferno", "turbo"):
        expected = cv2.applyColorMap(grey, getattr(cv2, f"COLORMAP_{name.upper()}"))
        assert np.array_equal(ran(ColourMap, astronaut, colours=name).image, expected)
    assert np.array_equal(
        ran(ColourMap, astronaut, invert=True).image, cv2.applyColorMap(255 - grey, cv2.COLORMAP_VIRIDIS)
    )


@pytest.mark.parametrize("name", ["viridis", "cividis", "magma", "inferno", "plasma"])
def test_the_first_maps_grow_in_lightness_for_everyone(name):
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    out = ran(ColourMap, Frame(ramp), colours=name).image
    light = cv2.cvtColor(out, cv2.COLOR_BGR2Lab)[0, :, 0].astype(float)
    assert (np.diff(light[::8]) > 0).all()


@pytest.mark.slow
def test_stretching_uses_all_colours_for_a_flat_picture(astronaut):
    flat = Frame((astronaut.image // 8 + 100).astype(np.uint8))
    viridis = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_VIRIDIS)

    def ends_used(frame):
        colours = {tuple(pixel) for pixel in frame.image.reshape(-1, 3).tolist()}
        return tuple(viridis[0, 0].tolist()) in colours, tuple(viridis[255, 0].tolist()) in colours

    assert ends_used(ran(ColourMap, flat)) == (False, False)
    assert ends_used(ran(ColourMap, flat, stretch_percent=1)) == (True, True)


@pytest.mark.parametrize("quality", ["fast", "fine"])
def test_a_cartoon_has_few_tones_and_dark_lines(astronaut, quality):
    def lab(image):
        return cv2.cvtColor(image, cv2.COLOR_BGR2Lab)[:, :, 0].astype(float)

    plain = ran(Cartoon, astronaut, quality=quality, lines_percent=0, tones=4).image
    counts = np.histogram(lab(plain), bins=256, range=(0, 256))[0]
    assert np.sort(counts)[-40:].sum() > 0.68 * counts.sum(), "most pixels share a few levels of lightness"
    texture = np.median(np.abs(cv2.Laplacian(lab(plain), cv2.CV_64F)))
    assert texture < 0.5 * np.median(np.abs(cv2.Laplacian(lab(astronaut.image), cv2.CV_64F)))
    lined = ran(Cartoon, astronaut, quality=quality, tones=4).image
    darker = lab(plain) - lab(lined) > 20
    assert 0.01 < darker.mean() < 0.2
    edges = cv2.dilate(cv2.Canny(astronaut.image, 50, 150), np.ones((5, 5), np.uint8)) > 0
    assert edges[darker].mean() > 0.8


EVERY = [
    (ColourRange, {"show": "grey out the rest", "clean_px": 50}),
    (ColourRange, {"colour": "#ffffff", "show": "mask"}),
    (ColourMap, {"stretch_percent": 49, "invert": True, "colours": "twilight"}),
    (Cartoon, {}),
    (Cartoon, {"quality": "fine", "tones": 2, "line_px": 8}),
]
PICTURES = {
    "1x1": np.full((1, 1, 3), 130, np.uint8),
    "1x900": np.random.default_rng(2).integers(0, 256, (900, 1, 3), dtype=np.uint8),
    "4000x2": np.random.default_rng(3).integers(0, 256, (2, 4000, 3), dtype=np.uint8),
    "black": np.zeros((48, 64, 3), np.uint8),
    "white": np.full((48, 64, 3), 255, np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_any_picture_is_survived(name):
    for cls, params in EVERY:
        assert ran(cls, Frame(PICTURES[name]), **params).size_wh == PICTURES[name].shape[1::-1], (cls, params)


@pytest.mark.slow
def test_a_huge_picture_is_survived(photos):
    huge = Frame(cv2.resize(cv2.imread(str(photos / "chelsea.png")), (3840, 2160)))
    for cls, params in EVERY:
        assert ran(cls, huge, **params).size_wh == (3840, 2160)
