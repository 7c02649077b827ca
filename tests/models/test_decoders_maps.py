"""Decoders of areas, points and depth: known ones are encoded as each family writes them, and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenescope.models import DenseMap, Keypoints, Masks
from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.decoders import Decoder, decoder_for
from scenescope.models.vision.decoders.pose import refined_peak
from scenescope.models.vision.inputs import Geometry, InputSpec, prepare

SPEC = InputSpec((160, 128))
PICTURE_WH = (400, 200)
VOC = ("background", "cat", "dog", "bird")


def card(architecture: str, task: str, labels: tuple[str, ...] = (), **options: Any) -> ModelCard:
    return ModelCard("m", "M", "", task, architecture, "onnxruntime", "m.onnx", "", "", "", "", {}, labels, options)


def geometry() -> Geometry:
    """A letterbox: the picture takes rows 24 to 104 of the input."""
    return prepare(np.zeros((PICTURE_WH[1], PICTURE_WH[0], 3), np.uint8), SPEC)[1]


def in_input(xy: np.ndarray) -> np.ndarray:
    return xy * 0.4 + np.array([0, 24])


def made(model: ModelCard, outputs: dict[str, np.ndarray]) -> Decoder:
    return decoder_for(model, SPEC, outputs)


# Areas --------------------------------------------------------------------------------------------------------------


def class_map(height: int = 128) -> np.ndarray:
    """Class 1 in a rectangle of the picture from (100, 50) to (200, 150), class 3 right of x = 300, else 0."""
    scale = height / 128
    numbers = np.zeros((height, round(160 * scale)), np.int64)
    numbers[round(44 * scale) : round(84 * scale), round(40 * scale) : round(80 * scale)] = 1
    numbers[:, round(120 * scale) :] = 3
    return numbers


def scores(height: int = 128) -> np.ndarray:
    """Logits (1, 4, h, w) of that map."""
    return (np.eye(4, dtype=np.float32)[class_map(height)] * 8).transpose(2, 0, 1)[None]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def full(found: Masks, row: int) -> np.ndarray:
    area = np.zeros(PICTURE_WH[::-1], bool)
    alpha, (x, y) = found.alpha[row], found.top_left_xy[row]
    area[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha > 127
    return area


@pytest.mark.parametrize(
    "output",
    [
        scores(),
        scores(64),
        scores(32),
        scores().transpose(0, 2, 3, 1),
        np.exp(scores()) / np.exp(scores()).sum(axis=1, keepdims=True),
        class_map()[None],
        class_map()[None, None].astype(np.int32),
        class_map()[None, ..., None].astype(np.uint8),
    ],
    ids=["logits", "half size", "quarter", "channels last", "probabilities", "numbers", "int32 NCHW", "uint8 NHWC"],
)
def test_one_area_for_each_class_that_is_there(output: np.ndarray) -> None:
    decoder = made(card("segmentation", "semantic-segmentation", VOC), {"out": output})
    found = decoder.decode({"out": output}, geometry())
    assert isinstance(found, Masks)
    assert found.labels == ["bird", "cat"]
    truth = np.zeros((2, *PICTURE_WH[::-1]), bool)
    truth[0, :, 300:] = True
    truth[1, 50:150, 100:200] = True
    for row in range(2):
        assert iou(full(found, row), truth[row]) > 0.96
    assert (found.confidence > 0.9).all()


def test_of_two_classes_the_first_is_nothing() -> None:
    output = np.concatenate([scores()[:, :1], scores()[:, 1:2]], axis=1)
    found = made(card("segmentation", "semantic-segmentation"), {"out": output}).decode({"out": output}, geometry())
    assert found.class_id.tolist() == [1]


@pytest.mark.parametrize("logits", [True, False])
def test_a_single_channel_is_one_soft_area(logits: bool) -> None:
    inside = class_map() == 1
    output = np.where(inside, 4.0, -4.0) if logits else np.where(inside, 0.98, 0.02)
    output = output.astype(np.float32)[None, None]
    found = made(card("segmentation", "semantic-segmentation", ("skin",)), {"o": output}).decode(
        {"o": output}, geometry()
    )
    assert found.labels == ["skin"]
    assert found.alpha[0].max() == 250 or found.alpha[0].max() == 249
    assert abs(found.alpha[0].shape[0] - 100) <= 2


def test_areas_of_nothing_and_of_nonsense() -> None:
    output = scores()
    decoder = made(card("segmentation", "semantic-segmentation", VOC), {"out": output})
    assert (
        len(
            decoder.decode(
                {"out": np.eye(4, dtype=np.float32)[np.zeros((128, 160), int)].transpose(2, 0, 1)[None]},
                geometry(),
                confidence=0.99,
            )
        )
        == 0
    )
    for value in (np.nan, np.inf, -np.inf):
        assert len(decoder.decode({"out": np.full_like(output, value)}, geometry(), confidence=0.9)) == 0


# Points -------------------------------------------------------------------------------------------------------------

POINTS = np.random.default_rng(5).uniform([40, 20], [360, 180], (17, 2))


def heat_maps(stride: int = 4) -> np.ndarray:
    """Gaussians, sigma 2 cells, whose tops lie between cells."""
    y, x = np.mgrid[0 : 128 // stride, 0 : 160 // stride]
    tops = (in_input(POINTS) - 0.5) / stride
    maps = [0.9 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) for cx, cy in tops]
    return np.float32(maps)[None]


@pytest.mark.parametrize("last", [False, True])
def test_peaks_of_heat_maps_are_found_between_cells(last: bool) -> None:
    output = heat_maps().transpose(0, 2, 3, 1) if last else heat_maps()
    found = made(card("heatmap-pose", "pose"), {"heat": output}).decode({"heat": output}, geometry())
    assert isinstance(found, Keypoints)
    np.testing.assert_allclose(found.xy[0], POINTS, atol=0.5)
    assert found.names[0] == "nose"
    assert found.skeleton


def test_a_noisy_peak_is_found_within_a_quarter_of_a_cell() -> None:
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:64, 0:48]
    for _ in range(20):
        cx, cy = random.uniform(10, 36, 2)
        heat = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) + random.normal(0, 0.01, x.shape)
        found = refined_peak(heat.astype(np.float32))
        np.testing.assert_allclose(found, (cx, cy), atol=0.25)
    assert refined_peak(np.eye(3, dtype=np.float32)[:1].repeat(3, 0)) == (0.0, 0.0)


def test_bar_codes_along_the_axes() -> None:
    places = np.rint((in_input(POINTS) - 0.5) * 2).astype(int)
    codes = {"simcc_x": np.zeros((1, 17, 320), np.float32), "simcc_y": np.zeros((1, 17, 256), np.float32)}
    for point, (x, y) in enumerate(places):
        codes["simcc_x"][0, point, x] = codes["simcc_y"][0, point, y] = 0.7
    found = made(card("heatmap-pose", "pose"), codes).decode(codes, geometry())
    np.testing.assert_allclose(found.xy[0], POINTS, atol=0.7)
    np.testing.assert_allclose(found.confidence, 0.7, atol=1e-6)


def coordinates(kind: str) -> np.ndarray:
    xy, sure = in_input(POINTS), np.full((17, 1), 0.8)
    fractions = xy / SPEC.size_wh
    return np.float32(
        {
            "pixels": xy[None],
            "with confidence": np.hstack([xy, sure])[None],
            "movenet": np.hstack([fractions[:, ::-1], sure])[None, None],
            "flat": np.hstack([fractions, sure]).reshape(1, -1),
        }[kind]
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [("pixels", {}), ("with confidence", {}), ("movenet", {}), ("flat", {"normalised": True})],
)
def test_coordinates(kind: str, options: dict[str, Any]) -> None:
    output = {"points": coordinates(kind)}
    found = made(card("coordinate-pose", "pose", **options), output).decode(output, geometry())
    np.testing.assert_allclose(found.xy[0], POINTS, atol=0.5)
    assert (found.confidence >= 0.79).all()


@pytest.mark.parametrize(
    ("architecture", "output"), [("heatmap-pose", heat_maps()), ("coordinate-pose", coordinates("movenet"))]
)
def test_no_pose_when_points_are_unsure_or_nonsense(architecture: str, output: np.ndarray) -> None:
    decoder = made(card(architecture, "pose"), {"o": output})
    assert len(decoder.decode({"o": output}, geometry(), confidence=0.95)) == 0
    for value in (np.nan, np.inf):
        assert len(decoder.decode({"o": np.full_like(output, value)}, geometry())) == 0


# Depth --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [128, 64])
@pytest.mark.parametrize("form", ["NCHW", "HW", "NHWC"])
def test_depth_covers_the_picture_without_its_letterbox(height: int, form: str) -> None:
    scale = height // 64
    ramp = np.tile(np.arange(80 * scale, dtype=np.float32), (height, 1))
    ramp[: 12 * scale] = ramp[52 * scale :] = -1000
    output = {"NCHW": ramp[None, None], "HW": ramp[None], "NHWC": ramp[None, ..., None]}[form]
    found = made(card("depth", "depth", unit="m"), {"d": output}).decode({"d": output}, geometry())
    assert isinstance(found, DenseMap)
    assert (found.kind, found.unit) == ("depth", "m")
    assert found.values[0].shape == (40 * scale, 80 * scale)
    assert found.values[0].min() == 0
    corners = np.array([[0, 0, 1], [80 * scale, 40 * scale, 1]]) @ found.to_picture.T
    np.testing.assert_allclose(corners[:, :2], [[0, 0], PICTURE_WH], atol=1e-6)


def test_depth_of_nonsense_is_finite() -> None:
    output = {"d": np.full((1, 1, 64, 80), np.nan, np.float32)}
    found = made(card("depth", "depth"), output).decode(output, geometry())
    assert np.isfinite(found.values[0]).all()


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("segmentation", "semantic-segmentation"),
        ("heatmap-pose", "pose"),
        ("coordinate-pose", "pose"),
        ("depth", "depth"),
    ],
)
@pytest.mark.parametrize("shape", [(7, 11), (2, 3, 5, 7, 2), ()])
def test_outputs_of_another_family_are_refused_in_words(architecture: str, task: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelIncompatible, match=r"m\.onnx"):
        made(card(architecture, task), {"o": np.zeros(shape, np.float32)})
