"""Edges, shapes and what is measured of them: against OpenCV's own answer, or against what was drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import Shapes
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.stages.edges.canny import Canny
from scenescope.pipelines.stages.edges.contours import Contours
from scenescope.pipelines.stages.edges.corners import Corners
from scenescope.pipelines.stages.edges.hough_circles import HoughCircles
from scenescope.pipelines.stages.edges.hough_lines import HoughLines
from scenescope.pipelines.stages.edges.morphology import Morphology
from scenescope.pipelines.stages.edges.threshold import Threshold


@pytest.fixture(scope="module")
def coffee(photos) -> Frame:
    return Frame(cv2.imread(str(photos / "coffee.png")))


def ran(cls, frame, **params) -> Frame:
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id="it")
    stage.open(stage.context)
    return stage.process(frame)


def grey(frame) -> np.ndarray:
    return cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)


def measured(shapes: Shapes, name: str) -> np.ndarray:
    return shapes.measures[:, shapes.measure_names.index(name)]


# Pictures of edges ----------------------------------------------------------------------------------------------------


def test_automatic_canny_sees_the_same_edges_in_a_dim_picture(coffee):
    dim = Frame(coffee.image // 3)
    bright, dimmed = ((ran(Canny, f).image > 0).mean() for f in (coffee, dim))
    assert dimmed < 0.4 * bright, "fixed thresholds lose most of them"
    bright, dimmed = ((ran(Canny, f, automatic=True).image > 0).mean() for f in (coffee, dim))
    assert 0.7 < dimmed / bright < 1.3


@pytest.mark.parametrize("aperture_px", [3, 5, 7])
def test_the_thresholds_mean_the_same_for_every_aperture(aperture_px):
    """A step of 100 levels has four times 100 as its gradient by Sobel's operator of 3 pixels."""
    step = np.zeros((40, 40, 3), np.uint8)
    step[:, 20:] = 60
    seen = ran(Canny, Frame(step), low=200, high=230, aperture_px=aperture_px).image.any()
    unseen = ran(Canny, Frame(step // 2), low=200, high=230, aperture_px=aperture_px).image.any()
    assert (seen, unseen) == (True, False)


@pytest.mark.parametrize(
    ("params", "flags"),
    [
        ({"method": "otsu"}, cv2.THRESH_OTSU),
        ({"method": "triangle"}, cv2.THRESH_TRIANGLE),
        ({"method": "fixed", "level": 90}, 0),
        ({"method": "otsu", "invert": True}, cv2.THRESH_OTSU | cv2.THRESH_BINARY_INV),
    ],
)
def test_thresholds_are_those_of_opencv(coffee, params, flags):
    _, expected = cv2.threshold(grey(coffee), 90, 255, flags)
    assert np.array_equal(ran(Threshold, coffee, **params).image, np.repeat(expected[:, :, None], 3, axis=2))


def test_otsu_parts_two_levels_where_they_differ_most():
    image = np.full((50, 50, 3), 60, np.uint8)
    image[10:30, 10:30] = 180
    out = ran(Threshold, Frame(image)).image
    assert np.array_equal(out == 255, image == 180)


@pytest.mark.parametrize("method", ["adaptive mean", "adaptive gaussian"])
def test_adaptive_thresholds_read_writing_in_a_shadow(method):
    light = np.linspace(40, 240, 400)[None, :].repeat(60, axis=0)
    page = light.copy()
    written = np.zeros(page.shape, bool)
    written[20:40, 15:-15:30] = written[20:40, 16:-15:30] = True
    page[written] *= 0.6
    frame = Frame(np.rint(page)[:, :, None].repeat(3, axis=2).astype(np.uint8))
    black = ran(Threshold, frame, method=method, block_px=30).image[:, :, 0] == 0
    assert (black & written).sum() / written.sum() > 0.99
    assert (black & ~written).mean() < 0.01
    one_for_all = ran(Threshold, frame, method="otsu").image[:, :, 0] == 0
    assert (one_for_all & ~written).mean() > 0.2


def test_morphology_does_what_its_names_say(coffee):
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30, 10:40] = 255
    image[18:20, 20:22] = 0
    image[35, 50] = 255
    brush = {"shape": "rectangle", "size_px": 3}

    def out(operation, **more):
        return ran(Morphology, Frame(image), operation=operation, **brush, **more).image[:, :, 0] > 0

    whole = np.zeros((40, 60), bool)
    whole[10:30, 10:40] = True
    assert np.array_equal(out("close"), whole | (image[:, :, 0] > 0)), "the gap is filled, the speck stays"
    assert not out("open")[33:, 45:].any(), "the speck is gone"
    assert out("dilate")[9:31, 9:41].all()
    assert out("dilate", iterations=3)[7:33, 7:43].all()
    assert not out("erode")[10, 10:40].any()
    assert np.array_equal(out("gradient"), out("dilate") & ~out("erode"))
    dark = ran(Morphology, coffee, operation="erode").image
    assert (dark <= coffee.image).all()
    top = ran(Morphology, coffee, operation="top hat").image
    assert np.array_equal(top, coffee.image - ran(Morphology, coffee, operation="open").image)


# Contours -------------------------------------------------------------------------------------------------------------


def drawn(inside) -> Frame:
    """White where ``inside(x, y)`` holds at a pixel's middle, on black, 400 x 300."""
    y, x = np.mgrid[:300, :400] + 0.5
    return Frame(np.where(inside(x, y), 255, 0).astype(np.uint8)[:, :, None].repeat(3, axis=2))


def turned(x, y, degrees):
    t = np.radians(degrees)
    return (x - 200) * np.cos(t) + (y - 150) * np.sin(t), (y - 150) * np.cos(t) - (x - 200) * np.sin(t)


def rectangle(width, height, degrees):
    def inside(x, y):
        u, v = turned(x, y, degrees)
        return (abs(u) <= width / 2) & (abs(v) <= height / 2)

    return inside


@pytest.mark.parametrize("radius", [10, 20, 45, 120])
def test_a_disc_has_its_area_perimeter_and_roundness(radius):
    found = ran(Contours, drawn(lambda x, y: np.hypot(x - 200, y - 150) <= radius), smooth_px=0).result("it")
    assert len(found) == 1
    assert measured(found, "area_px2")[0] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert measured(found, "perimeter_px")[0] == pytest.approx(2 * np.pi * radius, rel=0.03)
    assert measured(found, "circularity")[0] > 0.95
    assert measured(found, "solidity")[0] > 0.96


@pytest.mark.parametrize("degrees", [0, 15, 30, 45, 75, -20, -60])
def test_a_turned_rectangle_is_measured(degrees):
    found = ran(Contours, drawn(rectangle(160, 40, degrees)), smooth_px=0).result("it")
    assert measured(found, "area_px2")[0] == pytest.approx(6400, rel=0.02)
    assert measured(found, "perimeter_px")[0] == pytest.approx(400, rel=0.02)
    assert measured(found, "circularity")[0] == pytest.approx(4 * np.pi * 6400 / 400**2, rel=0.05)
    assert measured(found, "orientation_deg")[0] == pytest.approx(degrees, abs=0.5)
    assert measured(found, "solidity")[0] > 0.97


def test_the_area_is_the_number_of_pixels(coffee):
    """Any picture: every outline's area against a count of the pixels in its connected part, holes filled."""
    stage = Contours(Contours.validated({"min_area_px2": 1, "most": 5000}))
    stage.context = StageContext(stage_id="it")
    found = stage.process(coffee).result("it")
    assert len(found) > 50
    binary = stage.binary(coffee.image)
    outlines, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    counts = [int(cv2.drawContours(np.zeros_like(binary), outlines, i, 1, -1).sum()) for i in range(len(outlines))]
    # A pixel or a line that an outline passes twice counts twice.
    assert np.allclose(measured(found, "area_px2"), sorted(counts, reverse=True), rtol=0.25, atol=4)
    big = measured(found, "area_px2") > 2000
    assert np.allclose(measured(found, "area_px2")[big], np.array(sorted(counts, reverse=True))[big], rtol=0.02)


def test_outlines_lie_on_the_shape_and_follow_it_through_a_resize():
    frame = drawn(lambda x, y: (x > 100) & (x < 200) & (y > 50) & (y < 120))
    after = ran(Contours, frame, smooth_px=0)
    (line,) = after.result("it").points
    assert line.min(axis=0).tolist() == [100.5, 50.5]
    assert line.max(axis=0).tolist() == [199.5, 119.5]
    half = after.with_image(np.zeros((150, 200, 3), np.uint8), np.diag([2.0, 2.0, 1.0]))
    assert half.result("it").points[0].max(axis=0).tolist() == [99.75, 59.75]


def test_contours_choose_by_area_light_holes_and_number():
    def inside(x, y):
        ring = (np.hypot(x - 100, y - 150) <= 60) & (np.hypot(x - 100, y - 150) > 30)
        return ring | (np.hypot(x - 260, y - 100) <= 25) | (np.hypot(x - 340, y - 220) <= 10)

    frame = drawn(inside)
    found = ran(Contours, frame, min_area_px2=50).result("it")
    assert np.allclose(measured(found, "area_px2"), np.pi * np.array([60, 25, 10]) ** 2, rtol=0.02)
    assert len(ran(Contours, frame, min_area_px2=500).result("it")) == 2
    assert len(ran(Contours, frame, min_area_px2=50, max_area_px2=3000).result("it")) == 2
    assert len(ran(Contours, frame, min_area_px2=50, most=1).result("it")) == 1
    with_holes = ran(Contours, frame, min_area_px2=50, holes=True).result("it")
    hole = measured(with_holes, "is_hole") == 1
    assert measured(with_holes, "area_px2")[hole] == pytest.approx([np.pi * 900], rel=0.02)
    assert measured(with_holes, "perimeter_px")[hole] == pytest.approx([np.pi * 60], rel=0.02)
    assert measured(ran(Contours, frame, areas="dark").result("it"), "area_px2")[0] == 300 * 400
    simple = ran(Contours, frame, simplify_px=3, captions=True).result("it")
    assert len(simple.points[0]) < 20
    assert simple.caption[0].endswith(" px2")


@pytest.mark.parametrize("channel", ["red", "green", "blue", "saturation"])
def test_contours_look_at_a_channel(channel):
    image = np.full((100, 100, 3), 128, np.uint8)
    image[20:60, 30:70] = (128, 128, 128)
    colour = {"red": (128, 128, 250), "green": (128, 250, 128), "blue": (250, 128, 128), "saturation": (10, 128, 200)}
    image[20:60, 30:70] = colour[channel]
    found = ran(Contours, Frame(image), channel=channel, smooth_px=0).result("it")
    assert measured(found, "area_px2").tolist() == [1600]


# Lines, circles, corners ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_wh", [(400, 300), (2400, 1800)])
def test_drawn_lines_are_found_where_they_are(size_wh):
    scale = size_wh[0] / 400
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    ends = np.array([[[40, 30], [340, 30]], [[50, 60], [50, 270]], [[100, 80], [300, 280]], [[150, 250], [350, 120]]])
    # The edge of a half plane each: a thin line has two edges.
    for (x1, y1), (x2, y2) in ends:
        one = np.zeros_like(image)
        cv2.line(one, *[(int(x * scale), int(y * scale)) for x, y in ((x1, y1), (x2, y2))], (255,) * 3, int(scale))
        image = np.maximum(image, one)
    found = ran(HoughLines, Frame(image), min_length_px=80 * scale, votes=round(50 * scale)).result("it")
    for start, end in ends:
        along = end - start
        true_angle = 90 - (90 - np.degrees(np.arctan2(along[1], along[0]))) % 180
        distances = [
            min(
                np.abs(np.array(line) / scale - [start, end]).max(),
                np.abs(np.array(line) / scale - [end, start]).max(),
            )
            for line in found.points
        ]
        nearest = int(np.argmin(distances))
        assert distances[nearest] < 4, (start, end)
        assert measured(found, "angle_deg")[nearest] == pytest.approx(true_angle, abs=1)
        assert measured(found, "length_px")[nearest] == pytest.approx(np.hypot(*along) * scale, rel=0.03)
    assert (np.diff(measured(found, "length_px")) <= 0).all()
    assert len(ran(HoughLines, Frame(image), most=2).result("it")) == 2


@pytest.mark.parametrize("scale", [1, 5])
def test_drawn_circles_are_found_where_they_are(scale):
    true = np.array([[100.5, 90.5, 40], [260.5, 120.5, 25], [200.5, 230.5, 55]])
    image = np.full((300 * scale, 400 * scale, 3), 30, np.uint8)
    for x, y, r in true * scale:
        cv2.circle(image, (int(x), int(y)), int(r), (220, 200, 180), -1, cv2.LINE_AA)
    cv2.rectangle(image, (310 * scale, 200 * scale), (380 * scale, 280 * scale), (200,) * 3, -1)
    found = ran(HoughCircles, Frame(image), max_radius_px=80 * scale).result("it")
    assert len(found) == 3, "and the square is none"
    order = np.argsort(found.measures[:, 2])
    assert np.abs(found.measures[order] / scale - true[np.argsort(true[:, 2])]).max() < 1.5
    for points, (x, y, r) in zip(found.points, found.measures, strict=True):
        assert np.allclose(np.hypot(*(points - [x, y]).T), r, atol=0.01)


@pytest.mark.parametrize("method", ["shi-tomasi", "harris", "fast"])
def test_the_corners_of_a_square_are_found(method):
    image = np.full((120, 160, 3), 40, np.uint8)
    image[30:90, 40:120] = 210
    # As a lens has it: at a corner of whole pixels FAST finds two of equal strength, and drops both.
    image = cv2.GaussianBlur(image, (0, 0), 0.8)
    found = ran(Corners, Frame(image), method=method, quality=0.1).result("it")
    assert found.xy.shape[0] == 1
    for corner in [(40, 30), (120, 30), (40, 90), (120, 90)]:
        assert np.linalg.norm(found.xy[0] - corner, axis=1).min() < 2.5
    assert all(np.linalg.norm(found.xy[0] - [80, 60], axis=1) > 40)


def test_corners_are_the_same_in_a_shifted_photo(coffee):
    shifted = Frame(np.ascontiguousarray(coffee.image[7:, 11:]))
    for method in ("shi-tomasi", "fast"):
        before, after = (ran(Corners, f, method=method, most=100).result("it").xy[0] for f in (coffee, shifted))
        assert 50 < len(before) <= 100
        away = np.linalg.norm(before[:, None] - [11, 7] - after[None], axis=2).min(axis=1)
        assert np.mean(away < 0.1) > 0.9


# Survival -------------------------------------------------------------------------------------------------------------

EVERY = [
    (Canny, {"automatic": True, "aperture_px": 7}),
    *((Threshold, {"method": method, "block_px": 301}) for method in ("fixed", "otsu", "triangle", "adaptive mean")),
    *((Morphology, {"operation": operation, "size_px": 31}) for operation in ("open", "gradient", "black hat")),
    (Contours, {"channel": "saturation", "holes": True, "min_area_px2": 0, "captions": True, "simplify_px": 2}),
    (Contours, {"areas": "dark"}),
    (HoughLines, {"votes": 1, "min_length_px": 1}),
    (HoughCircles, {"min_radius_px": 5000, "max_radius_px": 3}),
    (HoughCircles, {}),
    *((Corners, {"method": method, "min_distance_px": 0}) for method in ("shi-tomasi", "harris", "fast")),
]
PICTURES = {
    "1x1": np.full((1, 1, 3), 130, np.uint8),
    "1x900": np.random.default_rng(2).integers(0, 256, (900, 1, 3), dtype=np.uint8),
    "4000x2": np.random.default_rng(3).integers(0, 256, (2, 4000, 3), dtype=np.uint8),
    "black": np.zeros((48, 64, 3), np.uint8),
    "white": np.full((48, 64, 3), 255, np.uint8),
    "noise": np.random.default_rng(4).integers(0, 256, (200, 300, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_any_picture_is_survived(name):
    for cls, params in EVERY:
        out = ran(cls, Frame(PICTURES[name]), **params)
        assert out.size_wh == PICTURES[name].shape[1::-1], (cls, params)
        result = out.result("it")
        if name in ("black", "white") and cls in (HoughLines, HoughCircles, Corners):
            assert len(result) == 0
        if isinstance(result, Shapes):
            assert np.isfinite(result.measures).all(), (cls, params)


@pytest.mark.slow
def test_a_huge_picture_is_survived(photos):
    huge = Frame(cv2.resize(cv2.imread(str(photos / "rocket.jpg")), (3840, 2160)))
    for cls, params in EVERY:
        assert ran(cls, huge, **params).size_wh == (3840, 2160)
