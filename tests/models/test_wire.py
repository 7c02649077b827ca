"""The results of a frame as bytes: nothing is lost, equal results are equal bytes, and bad bytes are a sentence."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import msgpack
import numpy as np
import pytest

from scenescope.models import Detections, Labels, Masks, ScenescopeError, Texts, Tracks, wire
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.models.maps import DenseMap
from scenescope.models.measures import Count, SceneScore, ZoneMeasures
from scenescope.models.people import Faces, Landmarks
from scenescope.models.results import Keypoints, ResultBatch
from scenescope.models.shapes import Markers, OrientedDetections, Shapes
from scenescope.pipelines.frame import Result, Stamp

pytestmark = pytest.mark.slow

COCO = tuple(f"class {i}" for i in range(80))
STRETCH = np.array([[2.0, 0.0, 5.0], [0.0, 2.0, 7.0], [0.0, 0.0, 1.0]])
Rng = np.random.Generator


def floats(rng: Rng, *shape: int) -> np.ndarray:
    return (rng.random(shape) * 1000).astype(np.float32)


def classed(rng: Rng, n: int) -> dict[str, Any]:
    return {
        "confidence": rng.random(n).astype(np.float32),
        "class_id": rng.integers(0, 80, n),
        "class_names": COCO,
    }


def boxes(rng: Rng, n: int) -> dict[str, Any]:
    return {"xyxy": floats(rng, n, 4), **classed(rng, n)}


def tracks(rng: Rng, n: int) -> Tracks:
    trail = tuple(floats(rng, int(rng.integers(0, 40)), 2) for _ in range(n))
    return Tracks(**boxes(rng, n), track_id=rng.integers(-1, 99, n), trail=trail, follows="detect")


def masks(rng: Rng, n: int) -> Masks:
    areas = tuple(rng.integers(0, 2, tuple(rng.integers(0, 50, 2)), np.uint8) * 255 for _ in range(n))
    return Masks(**classed(rng, n), alpha=areas, top_left_xy=rng.integers(0, 9, (n, 2)), size_wh=(640, 480))


def keypoints(rng: Rng, n: int) -> Keypoints:
    names = ("nose", "left eye", "right eye", "left ear", "right ear")
    return Keypoints(floats(rng, n, 5, 2), floats(rng, n, 5), names, ((0, 1), (0, 2)))


def shapes(rng: Rng, n: int) -> Shapes:
    lines = tuple(floats(rng, int(rng.integers(0, 20)), 2) for _ in range(n))
    words = tuple(f"größe {i}" for i in range(n))
    return Shapes(lines, words, floats(rng, n, 2), ("area_px2", "length_px"), closed=True, kind="contour")


def markers(rng: Rng, n: int) -> Markers:
    return Markers(floats(rng, n, 4, 2), rng.integers(0, 50, n), family="DICT_4X4_50")  # poses unknown: NaN


def zone_measures(rng: Rng, n: int) -> ZoneMeasures:
    event = LogEvent(EventKind.LINE_CROSS, 1.5, 7, "car", 3, line="gate", direction="in", xyxy=(1.0, 2.0, 3.0, 4.5))
    return ZoneMeasures(
        name=tuple(f"zone {i}" for i in range(n)),
        points=tuple(floats(rng, int(rng.integers(2, 7)), 2) for _ in range(n)),
        is_line=rng.random(n) > 0.5,
        words=(("in", "out"),) * n,
        caption=("3 now",) * n,
        occupancy=rng.integers(0, 9, n),
        most=rng.integers(0, 9, n),
        counts=tuple((Count("in", "car", i), Count("out", "person", 3))[: i % 3] for i in range(n)),
        track_id=np.arange(3),
        track_xy=floats(rng, 3, 2),
        speed_mps=np.array([1.0, np.nan, 3.0]),
        dwell_s=floats(rng, 3),
        events=(event, LogEvent(EventKind.DWELL, 2.0, 8, value=1.25)),
    )


def scene_score(rng: Rng, n: int) -> SceneScore:
    return SceneScore(np.full(n, np.nan), floats(rng, n), np.arange(n), (LogEvent(EventKind.SCENE_CHANGE, 0.0, 0),))


TYPES: dict[str, Callable[[Rng, int], ResultBatch]] = {
    "Detections": lambda rng, n: Detections(**boxes(rng, n)),
    "Tracks": tracks,
    "OrientedDetections": lambda rng, n: OrientedDetections(**classed(rng, n), quad_xy=floats(rng, n, 4, 2)),
    "Masks": masks,
    "Keypoints": keypoints,
    "Labels": lambda rng, n: Labels(**classed(rng, n)),
    "Texts": lambda rng, n: Texts(floats(rng, n, 4, 2), tuple(f"文字 {i}" for i in range(n)), floats(rng, n)),
    "Shapes": shapes,
    "Markers": markers,
    "DenseMap": lambda rng, n: DenseMap.covering(floats(rng, n + 1, 7), (640, 480), "depth", "m"),
    "Faces": lambda rng, n: Faces(**boxes(rng, n), points_xy=floats(rng, n, 6, 2)),
    "Landmarks": lambda rng, n: Landmarks(floats(rng, n, 5, 2), floats(rng, n, 5), z=floats(rng, n, 5)),
    "ZoneMeasures": zone_measures,
    "SceneScore": scene_score,
}


def entry(value: ResultBatch, to_source: np.ndarray | None = None, index: int = 7) -> Result:
    return Result(value, np.eye(3) if to_source is None else to_source, Stamp(index, 123.456))


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, with the same types."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other, one.dtype != bool)
        )
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_round_trip(name: str, count: int) -> None:
    for seed in range(5):
        value = TYPES[name](np.random.default_rng(seed), count)
        data = wire.pack({"stage": entry(value)})
        back = wire.read(data).results["stage"]
        assert same(value, back.value)
        assert back.stamp_index == 7
        assert data == wire.pack({"stage": entry(TYPES[name](np.random.default_rng(seed), count))})


def test_many_results_keep_their_order_and_their_maps() -> None:
    rng = np.random.default_rng(3)
    given = {name: entry(make(rng, 4), STRETCH, index) for index, (name, make) in enumerate(TYPES.items())}
    stored = wire.read(wire.seal(wire.pack_body(given), ["a"], ["b", "c"]))
    assert (stored.wrote, stored.rerun, stored.skipped) == (("a",), ("b", "c"), ())
    assert list(stored.results) == list(TYPES)
    for name, one in stored.results.items():
        assert same(given[name].value, one.value)
        assert np.array_equal(one.to_source, STRETCH)
        assert one.stamp_index == given[name].stamp.index


def test_unpack_gives_pixels_of_the_source() -> None:
    value = tracks(np.random.default_rng(0), 3)
    one = wire.unpack(wire.pack({"track": entry(value, STRETCH)}))["track"]
    assert same(one.value, value.warped(STRETCH))
    assert np.array_equal(one.to_source, np.eye(3))


def test_the_capture_clock_leaves_no_mark() -> None:
    value = tracks(np.random.default_rng(0), 3)
    assert wire.pack({"a": Result(value, np.eye(3), Stamp(1, 1.0))}) == wire.pack(
        {"a": Result(value, np.eye(3), Stamp(1, 2.0))}
    )


def test_fifty_boxes_take_about_two_kilobytes() -> None:
    found = Detections(**boxes(np.random.default_rng(0), 50))
    followed = Tracks(
        found.confidence, found.class_id, COCO, found.xyxy, track_id=np.arange(50), follows="detect", trail=()
    )
    assert len(wire.pack({"detect": entry(found), "track": entry(followed)})) < 2500


def test_areas_are_compressed() -> None:
    area = np.full((400, 300), 255, np.uint8)
    value = Masks(np.ones(1, np.float32), np.zeros(1, np.int64), ("car",), (area,), np.zeros((1, 2)), (300, 400))
    assert len(wire.pack({"segment": entry(value)})) < 2000


@dataclass(frozen=True, eq=False)
class Mine(Detections):
    """A plugin's own type."""


def test_foreign_types_are_left_out_and_named() -> None:
    rng = np.random.default_rng(0)
    objects = np.array([{}, {}], object)
    odd = Labels(np.ones(2, np.float32), np.zeros(2, np.int64), ("a",))
    object.__setattr__(odd, "class_id", objects)
    found = wire.read(
        wire.pack({"mine": entry(Mine(**boxes(rng, 2))), "odd": entry(odd), "detect": entry(Detections())})
    )
    assert list(found.results) == ["detect"]
    assert found.skipped == ("mine: Mine", "odd: Labels")


def test_empty() -> None:
    assert wire.unpack(wire.pack({})) == {}


def test_every_cut_and_flipped_bit_is_a_sentence_or_a_result() -> None:
    rng = np.random.default_rng(0)
    data = wire.pack({"track": entry(tracks(rng, 2)), "masks": entry(masks(rng, 2))})
    for end in range(len(data)):
        with pytest.raises(ScenescopeError, match="damaged"):
            wire.read(data[:end])
    for _ in range(3000):
        bad = bytearray(data)
        bad[rng.integers(len(bad))] ^= 1 << int(rng.integers(8))
        # Whatever is still whole is a result; all else is a sentence, and nothing else is raised.
        with contextlib.suppress(ScenescopeError):
            wire.read(bytes(bad))


def packed(entries: Any, raw: bytes = b"") -> bytes:
    header = msgpack.packb([entries, [], []])
    return wire.seal(zlib.compress(len(header).to_bytes(4, "little") + header + raw))


EYE = ["a", "<f8", [3, 3], 0]
RAW = np.frombuffer(np.eye(3).tobytes(), np.uint8).reshape(-1, 8).T.tobytes()


@pytest.mark.parametrize(
    "value",
    [
        ["o", "system", {}],
        ["o", "EventKind", {}],
        ["o", "Detections", {"xyxy": 3}],
        ["o", "Detections", {"xyxy": ["a", "<f4", [4, 4], 2**40]}],
        ["o", "Detections", {"xyxy": ["a", "<f4", [-1, 4], 0]}],
        ["o", "Detections", {"xyxy": ["a", "<f4", [1, 4], 0]}],  # without a confidence
        ["o", "Detections", {"xyxy": ["a", "|O", [1], 0]}],
        ["o", "Detections", {"_rows": 3}],
        ["o", "Detections", {"class_names": ["w", 5]}],
        ["o", "Tracks", {"follows": 3}],
        ["o", "Tracks", {"trail": ["t", ["x"]]}],
        ["o", "Masks", {"alpha": ["t", [1, 2]], "size_wh": ["t", [1, 2]]}],
        ["o", "LogEvent", {"kind": "appear", "t_s": 0.0, "frame": 0}],
        ["e", "Detections", 1],
        ["n", "Detections", []],
        ["n", "Count", [1, 2, 3]],
        ["n", "Count", ["in", "car", 1]],
        ["?", 1],
        [],
        b"bytes",
        ["t", [["t", [["t", []]]]]],
    ],
)
def test_hostile_content(value: Any) -> None:
    good = packed([["stage", ["o", "Detections", {}], EYE, 0]], RAW)
    assert len(wire.read(good).results) == 1
    with pytest.raises(ScenescopeError, match="damaged"):
        wire.read(packed([["stage", value, EYE, 0]], RAW))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04\x95",  # a pickle
        msgpack.packb([]),
        msgpack.packb({}),
        msgpack.packb(["other", 1, [], [], b""]),
        msgpack.packb([wire.MAGIC, 1, [], []]),
        msgpack.packb([wire.MAGIC, 1, [3], [], zlib.compress(b"")]),
        wire.seal(zlib.compress(b"\xff\xff\xff\xff")),
        wire.seal(zlib.compress(bytes(wire.MOST_BYTES + 2**20), 1)),  # inflates to more than any frame
        b"\x91" * 5000,
    ],
    ids=range(10),
)
def test_other_bytes(data: bytes) -> None:
    with pytest.raises(ScenescopeError, match="damaged"):
        wire.read(data)


def test_a_newer_version_says_so() -> None:
    with pytest.raises(ScenescopeError, match="newer version"):
        wire.read(msgpack.packb([wire.MAGIC, wire.VERSION + 1, "anything"]))
