"""The stages that make the picture better or of another size, on real photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import Keypoints, SpecError, StageError
from scenescope.pipelines import Frame, Region, StageContext
from scenescope.pipelines.calibration import CalibrationBoard, CameraCalibration
from scenescope.pipelines.calibration_fakes import FakeCamera
from scenescope.pipelines.stages.adjust.clahe import Clahe
from scenescope.pipelines.stages.adjust.crop import Crop
from scenescope.pipelines.stages.adjust.denoise import Denoise
from scenescope.pipelines.stages.adjust.flip import Flip
from scenescope.pipelines.stages.adjust.resize import Resize
from scenescope.pipelines.stages.adjust.rotate import Rotate
from scenescope.pipelines.stages.adjust.sharpen import Sharpen
from scenescope.pipelines.stages.adjust.tone import Tone
from scenescope.pipelines.stages.adjust.undistort import Undistort
from scenescope.pipelines.stages.adjust.white_balance import WhiteBalance, _linear_tables, _white_bgr

CAMERA = CameraCalibration((640, 480), [[520, 0, 327.3], [0, 523, 236.1], [0, 0, 1]], [-0.28, 0.09, 0.0012, -0.0008, 0])


@pytest.fixture(scope="module")
def coffee(photos) -> Frame:
    """600 x 400 pixels, of which none is like its neighbour."""
    return Frame(cv2.imread(str(photos / "coffee.png")))


def opened(cls, **params):
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id=cls.info.kind)
    stage.open(stage.context)
    return stage


def ran(cls, frame, **params) -> Frame:
    return opened(cls, **params).process(frame)


def pixels(image) -> np.ndarray:
    return image.astype(float)


# Places ---------------------------------------------------------------------------------------------------------------

MOVERS = [
    (Crop, {"left_percent": 10, "bottom_percent": 25}),
    (Crop, {"region": {"points": [(0.2, 0.3), (0.9, 0.1), (0.6, 0.8)]}}),
    (Rotate, {"turn_deg": 90}),
    (Rotate, {"turn_deg": 180}),
    (Rotate, {"turn_deg": 270}),
    (Rotate, {"turn_deg": 0, "angle_deg": 30}),
    (Rotate, {"turn_deg": 90, "angle_deg": -17.5}),
    (Rotate, {"turn_deg": 0, "angle_deg": 8, "size": "keep"}),
    (Flip, {"direction": "horizontal"}),
    (Flip, {"direction": "vertical"}),
    (Flip, {"direction": "both"}),
    (Resize, {"size_px": 250}),
    (Resize, {"by": "percent", "scale_percent": 170}),
    (Resize, {"by": "height", "size_px": 901, "enlarge": True, "interpolation": "linear"}),
]


@pytest.mark.parametrize(("cls", "params"), MOVERS)
def test_what_was_found_before_lies_on_the_same_thing_after(cls, params):
    """Dots are drawn around known points; the results say where each one is in the new picture."""
    image = np.zeros((400, 600, 3), np.uint8)
    points = np.array([[[200.5, 150.5], [300.5, 200.5], [380.5, 260.5]]], np.float32)
    for channel, (x, y) in enumerate(points[0]):
        cv2.circle(image, (int(x), int(y)), 9, [255 * (channel == c) for c in range(3)], -1)
    frame = Frame(image).with_result("dots", Keypoints(xy=points, confidence=np.ones((1, 3), np.float32)))
    after = ran(cls, frame, **params)
    assert after.edited
    for channel, expected in enumerate(after.result("dots").xy[0]):
        moments = cv2.moments(after.image[:, :, channel])
        centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"] + 0.5
        assert np.abs(centre - expected).max() < 0.05


def test_a_crop_is_a_slice(coffee):
    image = coffee.image
    assert np.array_equal(ran(Crop, coffee, left_percent=10, top_percent=25).image, image[100:, 60:])
    region = Region(points=((0.1, 0.25), (0.5, 0.25), (0.5, 1.0)))
    assert np.array_equal(ran(Crop, coffee, region=region.model_dump(), left_percent=90).image, image[100:, 60:300])
    assert ran(Crop, coffee) is coffee
    tiny = ran(Crop, coffee, left_percent=60, right_percent=39.99, top_percent=99.999)
    assert tiny.size_wh == (1, 1)
    with pytest.raises(SpecError, match="nothing of the picture would be left"):
        Crop.validated({"left_percent": 60, "right_percent": 40})


def test_quarter_turns_are_exact(coffee):
    for degrees in (90, 180, 270):
        turned = ran(Rotate, coffee, turn_deg=degrees).image
        assert np.array_equal(turned, np.rot90(coffee.image, -degrees // 90))
    assert ran(Rotate, coffee, turn_deg=0) is coffee
    free = ran(Rotate, coffee, turn_deg=0, angle_deg=90)
    assert np.array_equal(free.image, np.rot90(coffee.image, -1)), "a free right angle loses nothing either"


def test_a_free_angle_grows_to_show_everything(coffee):
    out = ran(Rotate, coffee, turn_deg=0, angle_deg=30)
    width, height = coffee.size_wh
    assert out.size_wh == (
        int(np.ceil(width * np.cos(np.pi / 6) + height / 2)),
        int(np.ceil(width / 2 + height * np.cos(np.pi / 6))),
    )
    assert ran(Rotate, coffee, turn_deg=0, angle_deg=30, size="keep").size_wh == coffee.size_wh
    back = ran(Rotate, out, turn_deg=0, angle_deg=-30, size="keep").image
    middle = back[back.shape[0] // 2 - 100 :, back.shape[1] // 2 - 150 :][:200, :300]
    assert np.abs(pixels(middle) - coffee.image[100:300, 150:450]).mean() < 8


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "both"])
def test_a_flip_twice_is_the_same(coffee, direction):
    once = ran(Flip, coffee, direction=direction)
    assert not np.array_equal(once.image, coffee.image)
    twice = ran(Flip, once, direction=direction)
    assert np.array_equal(twice.image, coffee.image)
    assert np.array_equal(twice.to_source, np.eye(3))


@pytest.mark.parametrize(
    ("params", "size_wh"),
    [
        ({"size_px": 300}, (300, 200)),
        ({"by": "width", "size_px": 150}, (150, 100)),
        ({"by": "height", "size_px": 100}, (150, 100)),
        ({"by": "percent", "scale_percent": 50}, (300, 200)),
        ({"by": "percent", "scale_percent": 200}, (1200, 800)),
        ({"size_px": 1200}, (600, 400)),
        ({"size_px": 1200, "enlarge": True}, (1200, 800)),
        ({"size_px": 600}, (600, 400)),
    ],
)
def test_resize_comes_to_the_wished_size(coffee, params, size_wh):
    assert ran(Resize, coffee, **params).size_wh == size_wh


def test_halving_by_area_is_the_mean_of_four(coffee):
    halved = ran(Resize, coffee, size_px=300).image
    mean = pixels(coffee.image).reshape(200, 2, 300, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - mean).max() <= 0.5


def test_a_resize_never_fills_the_memory():
    strip = Frame(np.zeros((1, 9000, 3), np.uint8))
    assert max(ran(Resize, strip, by="percent", scale_percent=800).size_wh) <= 32_000
    large = Frame(np.zeros((3000, 4000, 3), np.uint8))
    width, height = ran(Resize, large, by="percent", scale_percent=800).size_wh
    assert 63e6 < width * height <= 64.1e6


# Colours --------------------------------------------------------------------------------------------------------------


def test_neutral_parameters_change_nothing(coffee):
    assert ran(Tone, coffee) is coffee
    assert ran(Sharpen, coffee, amount_percent=0) is coffee
    assert ran(WhiteBalance, coffee, method="manual", temperature_k=6500) is coffee
    assert ran(WhiteBalance, coffee, strength_percent=0) is coffee
    assert ran(Undistort, coffee) is coffee


def test_tone_is_the_formula(coffee):
    image = pixels(coffee.image)
    lighter = ran(Tone, coffee, brightness_percent=20).image
    assert np.array_equal(lighter, np.clip(image + 51, 0, 255))
    flatter = ran(Tone, coffee, contrast_percent=50).image
    assert np.abs(flatter - (image / 2 + 63.75)).max() <= 0.51
    bent = ran(Tone, coffee, gamma=2.2).image
    assert np.abs(bent - 255 * (image / 255) ** (1 / 2.2)).max() <= 0.5


def test_saturation_keeps_luma_and_hue(coffee):
    grey = ran(Tone, coffee, saturation_percent=0).image
    luma = cv2.cvtColor(coffee.image, cv2.COLOR_BGR2GRAY)
    assert np.abs(pixels(grey) - luma[:, :, None]).max() <= 1
    paler = ran(Tone, coffee, saturation_percent=50).image
    assert np.abs(pixels(cv2.cvtColor(paler, cv2.COLOR_BGR2GRAY)) - luma).max() <= 1
    before, after = (np.ptp(pixels(image), axis=2) for image in (coffee.image, paler))
    assert np.abs(after - before / 2).max() <= 1


def grey_card(bgr) -> np.ndarray:
    """Grey patches of many levels, a coloured one of each primary, and clipped lamps."""
    image = np.repeat(np.linspace(40, 180, 200)[None, :, None], 200, axis=0).repeat(3, axis=2)
    for channel in range(3):
        image[:40, 50 * channel : 50 * channel + 40] = 60
        image[:40, 50 * channel : 50 * channel + 40, channel] = 150
    image = np.clip(image * np.asarray(bgr), 0, 255)
    image[170:] = 255
    return image.round().astype(np.uint8)


@pytest.mark.parametrize("method", ["grey world", "percentile"])
@pytest.mark.parametrize("light", [(0.6, 0.9, 1.2), (1.25, 1.0, 0.7)])
def test_white_balance_makes_grey_grey_whatever_the_lamps_do(method, light):
    cast = Frame(grey_card(light))
    out = ran(WhiteBalance, cast, method=method, clip_percent=0).image
    spread_before, spread = (np.ptp(pixels(i[60:160]), axis=2).mean() for i in (cast.image, out))
    assert spread_before > 40
    assert spread < 4


@pytest.mark.parametrize("kelvin", [2500, 3200, 5000, 9000])
def test_a_known_light_is_undone(kelvin):
    grey = np.repeat(np.arange(20, 200, dtype=np.uint8)[None, :, None], 3, axis=2)
    light = _white_bgr(kelvin) / _white_bgr(6500)
    lit = cv2.LUT(grey, np.rint(_linear_tables(light / light.max())).astype(np.uint8).reshape(1, 256, 3))
    assert np.ptp(pixels(lit), axis=2).max() > 20
    out = ran(WhiteBalance, Frame(lit), method="manual", temperature_k=kelvin).image
    # Blue is dark in the light of a lamp, so a level of it counts several.
    assert np.ptp(pixels(out), axis=2).mean() < 3


def test_the_black_body_has_the_colours_of_the_table():
    """Mitchell Charity's table of black-body colours: sRGB, linear, largest 1."""
    for kelvin, rgb in {3000: (1.0, 0.4589, 0.1496), 6500: (1.0, 0.9445, 0.9853), 10000: (0.6061, 0.7052, 1.0)}.items():
        bgr = _white_bgr(kelvin)
        assert np.abs(bgr[::-1] / bgr.max() - rgb).max() < 0.05, kelvin


def test_clahe_raises_local_contrast_and_keeps_colours(coffee):
    hazy = Frame((coffee.image // 4 + 120).astype(np.uint8))
    out = ran(Clahe, hazy, clip_limit=3.0)

    def lab(frame):
        return pixels(cv2.cvtColor(frame.image, cv2.COLOR_BGR2Lab))

    def local(frame):
        light = lab(frame)[:, :, 0]
        return np.sqrt(np.maximum(cv2.blur(light**2, (15, 15)) - cv2.blur(light, (15, 15)) ** 2, 0)).mean()

    assert local(out) > 1.5 * local(hazy)
    assert np.abs(lab(out)[:, :, 1:] - lab(hazy)[:, :, 1:]).mean() < 1.5


@pytest.mark.parametrize(
    ("params", "most_left"),
    [
        ({"method": "median"}, 0.8),
        ({"method": "bilateral", "radius_px": 3, "strength": 12}, 0.6),
        ({"method": "non-local means", "strength": 10}, 0.6),
    ],
)
def test_denoise_comes_nearer_to_the_clean_picture(coffee, params, most_left):
    clean = coffee.image[100:300, 150:450]
    noise = np.random.default_rng(1).normal(0, 12, clean.shape)
    noisy = Frame(np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8))
    out = ran(Denoise, noisy, **params).image
    assert np.std(pixels(out) - clean) < most_left * np.std(pixels(noisy.image) - clean)


def test_median_removes_single_wrong_pixels(coffee):
    image = np.full((50, 50, 3), 90, np.uint8)
    image[10::10, 10::10] = 255
    assert (ran(Denoise, Frame(image)).image == 90).all()


def test_sharpen_adds_detail_above_the_threshold_only(coffee):
    def detail(frame):
        return cv2.Laplacian(frame.image, cv2.CV_64F).std()

    assert detail(ran(Sharpen, coffee)) > 1.3 * detail(coffee)
    steps = np.abs(pixels(cv2.GaussianBlur(coffee.image, (0, 0), 1.5)) - coffee.image)
    kept = ran(Sharpen, coffee, threshold=30).image == coffee.image
    assert kept[steps < 30].all()
    assert kept[steps >= 30].mean() < 0.2
    flat = Frame(np.full((40, 40, 3), 77, np.uint8))
    assert np.array_equal(ran(Sharpen, flat, amount_percent=500).image, flat.image)
    noisy = np.full((40, 40, 3), 77, np.uint8)
    noisy[::2, ::2] += 4
    noisy[:, 20:] += 100
    out = ran(Sharpen, Frame(noisy), threshold=8, amount_percent=300).image
    assert np.array_equal(out[:, :12], noisy[:, :12]), "noise below the threshold stays as it is"
    assert np.ptp(pixels(out[0])) > np.ptp(pixels(noisy[0]))


# Lenses ---------------------------------------------------------------------------------------------------------------


def bend_px(points, columns: int) -> float:
    """How far the corners of a board's rows lie from straight lines, in pixels, the worst of all."""
    worst = 0.0
    for row in points.reshape(-1, columns, 2):
        centred = row - row.mean(axis=0)
        worst = max(worst, float(np.abs(centred @ np.linalg.svd(centred)[2][1]).max()))
    return worst


@pytest.fixture(scope="module")
def bent() -> Frame:
    """A board straight before a camera that bends its lines."""
    fake, board = FakeCamera(CAMERA), CalibrationBoard("chessboard", (9, 6), 25)
    return Frame(fake.picture(board, *fake.posed(board, (0, 0, 0.0, 0.0, 1.3))))


@pytest.mark.parametrize("keep_percent", [0, 50])
def test_undistort_makes_the_rows_of_a_board_straight(bent, tmp_path, keep_percent):
    board = CalibrationBoard("chessboard", (9, 6), 25)
    CAMERA.save(tmp_path / "camera.yaml")
    out = ran(Undistort, bent, calibration=str(tmp_path / "camera.yaml"), keep_percent=keep_percent)
    before, after = board.find(bent.image), board.find(out.image)
    assert bend_px(before.points_xy, 8) > 2
    assert bend_px(after.points_xy, 8) < 0.25
    # What was found before: near the optical axis it lies where the picture shows it.
    middle = np.argmin(np.abs(before.points_xy - [327.3, 236.1]).sum(axis=1))
    found = Keypoints(xy=before.points_xy[None] + 0.5, confidence=np.ones((1, 40), np.float32))
    moved = ran(
        Undistort, bent.with_result("b", found), calibration=str(tmp_path / "camera.yaml"), keep_percent=keep_percent
    ).result("b")
    assert np.abs(moved.xy[0, middle] - 0.5 - after.points_xy[middle]).max() < 0.5


def test_undistort_fits_the_camera_in_another_resolution_of_the_same_shape(bent, tmp_path):
    CAMERA.save(tmp_path / "camera.json")
    stage = opened(Undistort, calibration=str(tmp_path / "camera.json"))
    image = bent.image
    full = stage.process(Frame(image)).image
    half = stage.process(Frame(cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA))).image
    expected = cv2.resize(full, (320, 240), interpolation=cv2.INTER_AREA)
    assert np.abs(pixels(half) - expected).mean() < 4
    with pytest.raises(StageError, match=r"for pictures of 640x480.*these are 640x360") as caught:
        stage.process(Frame(image[60:420]))
    assert caught.value.permanent
    assert caught.value.hint


def test_undistort_by_eye_bends_back_what_a_lens_has_bent():
    stage = opened(Undistort, barrel_percent=30, keep_percent=100)
    out = stage.process(Frame(np.full((480, 640, 3), 255, np.uint8))).image
    assert out[240, 320].tolist() == [255] * 3
    assert out[0, 320].max() < 255, "the corners are pulled outwards, so a border shows between them"
    no_border = ran(Undistort, Frame(np.full((480, 640, 3), 255, np.uint8)), barrel_percent=30).image
    assert no_border[2:-2, 2:-2].min() == 255


def test_a_missing_or_wrong_calibration_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"nowhere\.yaml cannot be read") as caught:
        opened(Undistort, calibration=str(tmp_path / "nowhere.yaml"))
    assert caught.value.hint
    (tmp_path / "other.yaml").write_text("stages: []")
    with pytest.raises(SpecError, match="not a calibration file"):
        opened(Undistort, calibration=str(tmp_path / "other.yaml"))
    stage = opened(Undistort)
    assert stage.needs_reopen(Undistort.validated({"calibration": "a.yaml"}))
    assert not stage.needs_reopen(Undistort.validated({"keep_percent": 20}))


# Survival -------------------------------------------------------------------------------------------------------------

EVERY = [
    *MOVERS,
    (Tone, {"gamma": 2.0, "saturation_percent": 200}),
    (WhiteBalance, {"method": "grey world"}),
    (WhiteBalance, {}),
    (WhiteBalance, {"method": "manual", "temperature_k": 2000, "tint_percent": 50}),
    (Clahe, {"tiles": 32}),
    (Denoise, {"radius_px": 10}),
    (Denoise, {"method": "bilateral", "radius_px": 2}),
    (Denoise, {"method": "non-local means"}),
    (Sharpen, {"sigma_px": 30, "threshold": 5}),
    (Undistort, {"barrel_percent": 50}),
    (Undistort, {"barrel_percent": -50, "keep_percent": 100}),
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
        out = ran(cls, Frame(PICTURES[name]), **params)
        assert out.image.dtype == np.uint8, (cls, params)
        kept = (Tone, Clahe, Denoise, Sharpen, *((Undistort,) if name == "black" else ()))
        if name in ("black", "white") and cls in kept:
            assert abs(int(out.image.mean()) - int(PICTURES[name].mean())) <= 5, (cls, params)


@pytest.mark.slow
def test_a_huge_picture_is_survived(photos):
    huge = Frame(cv2.resize(cv2.imread(str(photos / "chelsea.png")), (3840, 2160)))
    for cls, params in EVERY:
        if params.get("method") != "non-local means":
            assert ran(cls, huge, **params).image.size
