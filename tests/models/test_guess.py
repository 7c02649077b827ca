"""Guessing: what files say, what is refused, corrections, and files that nobody should open."""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scenescope.models import Detections
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.guess import Guess, Guesser, is_model
from scenescope.models.catalogue.guess_files import facts_of
from scenescope.models.catalogue.guess_labels import label_sets
from scenescope.models.catalogue.guess_outputs import readings
from scenescope.models.catalogue.guess_reading import Seen
from scenescope.models.catalogue.guess_trial import TrialCrashed, Trials
from scenescope.models.catalogue.trust import trust
from scenescope.models.errors import ModelIncompatible

pytestmark = pytest.mark.slow

MODELS = Path(__file__).resolve().parents[2] / "resources" / "models"


@pytest.fixture
def guesser() -> Iterator[Guesser]:
    with Guesser() as made:
        yield made


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "catalogue")
    put_back = use(made)
    yield made
    put_back()


# A real network -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_that_says_nothing_is_guessed_corrected_and_shown(
    guesser: Guesser, bus: Path, tmp_path: Path
) -> None:
    path = tmp_path / "something.onnx"
    path.write_bytes((MODELS / "nanodet_g_416_coco.onnx").read_bytes())
    guess = guesser.guess(path)
    assert not guess.problem
    assert guess.card.path == path
    found = {finding.field: finding for finding in guess.findings}
    assert (found["task"].value, found["architecture"].value) == ("detection", "nanodet")
    assert (found["colour"].value, found["normalisation"].value) == ("BGR", "ImageNet")
    assert guess.card.labels[0] == "person"
    assert all(0 < finding.confidence < 1 and finding.why for finding in guess.findings)
    assert all(finding.value in finding.choices for finding in guess.findings)

    image = cv2.imread(str(bus))
    shown = guesser.infer(guess, image, confidence=0.5)
    assert isinstance(shown, Detections)
    assert "bus" in shown.labels

    corrected = guesser.with_choice(guess, "colour", "RGB")
    colour = corrected.finding("colour")
    assert colour is not None
    assert (colour.value, colour.confidence, colour.corrected) == ("RGB", 1.0, True)
    assert corrected.card.input["mean"] == guess.card.input["mean"][::-1]
    named = guesser.with_choice(corrected, "labels", tuple(f"class {n}" for n in range(80)))
    assert named.card.labels[3] == "class 3"
    assert named.card.input["colour"] == "RGB"
    back = guesser.with_choice(named, "colour", "BGR")
    assert back.card.input == guess.card.input

    impossible = guesser.with_choice(guess, "task", "depth")
    assert "depth" in impossible.problem
    assert not guesser.with_choice(impossible, "task", "detection").problem


# Files that cannot be understood ------------------------------------------------------------------------------------


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch {self.path}",)


def onnx_file(path: Path, shapes: dict[str, tuple[int, ...]], output: tuple[int, ...] = (1, 5)) -> None:
    """A network whose output has nothing to do with its inputs."""
    import onnx
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    value = helper.make_tensor("value", TensorProto.FLOAT, output, np.zeros(int(np.prod(output)), np.float32))
    node = helper.make_node("Constant", [], ["y"], value=value)
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def archive(path: Path, **parts: str | bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "/").replace("_dot_", "."), content)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x08\x07")
        file.truncate(3 << 30)


def hostile(path: Path) -> dict[str, Callable[[Path], Any]]:
    half = (MODELS / "blazeface_short_range_128.onnx").read_bytes()
    lite = (MODELS / "blazeface_short_range_128.tflite").read_bytes()
    weights = (MODELS / "mobilenet_v2_imagenet1k_v1.safetensors").read_bytes()
    nested = '{"a":' * 50_000 + "1" + "}" * 50_000
    config = json.dumps({"architectures": ["BertModel"], "model_type": "bert"})
    return {
        "empty.onnx": lambda p: p.touch(),
        "text.onnx": lambda p: p.write_text("This is not a network.\n" * 100),
        "random.tflite": lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)),
        "half.onnx": lambda p: p.write_bytes(half[: len(half) // 2]),
        "half.tflite": lambda p: p.write_bytes(lite[: len(lite) // 2]),
        "picture.onnx": lambda p: (
            cv2.imwrite(str(p.with_suffix(".png")), np.zeros((9, 9, 3), np.uint8))
            and p.write_bytes(p.with_suffix(".png").read_bytes())
        ),
        "half.safetensors": lambda p: p.write_bytes(weights[:1000]),
        "claims.safetensors": lambda p: p.write_bytes(struct.pack("<Q", 1 << 60) + b'{"a":1}'),
        "list.safetensors": lambda p: p.write_bytes(struct.pack("<Q", 20) + b'{"a": {"shape": 3}} ' + bytes(40)),
        "archive.keras": lambda p: archive(p, config_dot_json="no JSON", model_dot_weights_dot_h5=b"x"),
        "deep.keras": lambda p: archive(p, config_dot_json=nested, model_dot_weights_dot_h5=b"x"),
        "other.pt": lambda p: archive(p, readme_dot_txt="hello"),
        "half.pt": lambda p: p.write_bytes(b"PK\x03\x04" + bytes(200)),
        "hdf5.h5": lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
        "huge.onnx": sparse,
        "giant.onnx": lambda p: onnx_file(p, {"x": (1, 3, 1_000_000, 1_000_000)}),
        "two.onnx": lambda p: onnx_file(p, {"x": (1, 3, 32, 32), "y": (1, 2)}),
        "vector.onnx": lambda p: onnx_file(p, {"x": (1, 77)}),
        "strange.onnx": lambda p: onnx_file(p, {"x": (1, 3, 32, 32)}, (2, 3, 5, 7, 2)),
        "folder": lambda p: p.mkdir(),
        "bert": lambda p: (p.mkdir(), (p / "config.json").write_text(config)),
        "listed": lambda p: (p.mkdir(), (p / "config.json").write_text("[1, 2]")),
        "missing.onnx": lambda p: None,
    }


@pytest.mark.slow
def test_hostile_files_give_a_sentence_each(guesser: Guesser, tmp_path: Path) -> None:
    makers = hostile(tmp_path)
    assert len(makers) >= 8
    for name, make in makers.items():
        path = tmp_path / name
        make(path)
        guess = guesser.guess(path)
        assert guess.problem.endswith("."), f"{name}: {guess.problem!r}"
        assert len(guess.problem.split()) >= 3, guess.problem
        assert "Traceback" not in guess.problem
        assert not guess.refused
    # And after all of them a good one is still guessed.
    assert not guesser.guess(MODELS / "blazeface_short_range_128.onnx").problem


def test_a_pickle_is_refused_and_not_run(guesser: Guesser, tmp_path: Path, catalogue: Catalogue) -> None:
    path, mark = tmp_path / "weights.pt", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Evil(str(mark))))
    guess = guesser.guess(path)
    assert guess.refused
    assert "pickle" in guess.problem
    assert "trust" in guess.hint
    assert not mark.exists()


@pytest.mark.slow
def test_a_trusted_checkpoint_is_opened_by_ultralytics(
    guesser: Guesser, tmp_path: Path, catalogue: Catalogue, bus: Path
) -> None:
    ultralytics = pytest.importorskip("ultralytics")
    path = tmp_path / "mine.pt"
    ultralytics.YOLO("yolo11n.yaml", verbose=False).save(path)
    assert guesser.guess(path).refused
    trust(path)
    guess = guesser.guess(path)
    assert not guess.problem
    assert (guess.card.runtime, guess.card.task, len(guess.card.labels)) == ("ultralytics", "detection", 80)
    assert isinstance(guesser.infer(guess, cv2.imread(str(bus)), confidence=0.9), Detections)


# The trial process --------------------------------------------------------------------------------------------------


def test_a_crash_in_the_trial_process_is_told_and_survived() -> None:
    with Trials() as trials:
        trials.start()
        process = trials._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        timer = threading.Timer(0.3, process.kill)
        timer.start()
        with pytest.raises(TrialCrashed, match=r"net\.onnx crashed"):
            trials.ask("close", "net.onnx", 30)
        timer.join()
        assert trials.ask("close", "net.onnx", 30) == ({}, {})


def test_a_trial_that_takes_too_long_is_given_up() -> None:
    with Trials() as trials:
        trials.start()
        assert trials._process is not None
        trials._process.send_signal(signal.SIGSTOP)
        with pytest.raises(ModelIncompatible, match="took longer"):
            trials.ask("close", "net.onnx", 0.3)


def test_a_trial_can_be_cancelled_from_another_thread() -> None:
    with Trials() as trials:
        trials.start()
        assert trials._process is not None
        trials._process.send_signal(signal.SIGSTOP)
        timer = threading.Timer(0.2, trials.cancelled.set)
        timer.start()
        with pytest.raises(ModelIncompatible, match="cancelled"):
            trials.ask("close", "net.onnx", 30)
        timer.join()
        trials.cancelled = threading.Event()
        assert trials.ask("close", "net.onnx", 30) == ({}, {})


# Facts, labels, readings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.onnx", True), ("a.TFLITE", True), ("a.pt2", True), ("a.mp4", False), ("a.png", False), ("a.yaml", False)],
)
def test_what_looks_like_a_model(name: str, expected: bool, tmp_path: Path) -> None:
    assert is_model(tmp_path / name) is expected


def test_folders_that_look_like_models(tmp_path: Path) -> None:
    assert not is_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert is_model(tmp_path)


def test_keras_says_what_its_layers_do_to_pictures(tmp_path: Path) -> None:
    def layer(kind: str, **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": config}

    inside = [layer("InputLayer", batch_shape=[None, 96, 64, 3]), layer("Rescaling", scale=0.1), layer("Conv2D")]
    path = tmp_path / "a.keras"
    config = {"class_name": "Functional", "config": {"name": "mine", "layers": inside}}
    archive(path, config_dot_json=json.dumps(config), model_dot_weights_dot_h5=b"")
    facts = facts_of(path)
    assert facts.runtime == "keras"
    assert facts.input_shape == (1, 96, 64, 3)
    assert facts.ranges["normalisation"][0] == "0..255"
    config = {"class_name": "Functional", "config": {"name": "resnet50", "layers": [inside[0], inside[2]]}}
    archive(path, config_dot_json=json.dumps(config), model_dot_weights_dot_h5=b"")
    ranges = facts_of(path).ranges
    assert (ranges["normalisation"][0], ranges["colour"][0]) == ("Caffe", "BGR")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", "ant\nbee\ncow\n"),
        ("net.names", "ant\nbee\ncow\n"),
        ("data.yaml", "names: [ant, bee, cow]\n"),
        ("metadata.yaml", "names:\n  0: ant\n  1: bee\n  2: cow\n"),
    ],
)
def test_labels_beside_the_file(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    sets = label_sets(facts_of(tmp_path / "net.onnx"), 3)
    assert sets[0].names == ("ant", "bee", "cow")
    assert sets[-1].names == ()
    assert len(label_sets(facts_of(tmp_path / "net.onnx"), 7)) == 1


def test_names_by_count_are_only_those_that_are_known(tmp_path: Path) -> None:
    def title(count: int) -> str:
        return label_sets(facts_of(tmp_path / "net.onnx"), count)[0].title

    assert title(80) == "COCO's 80"
    assert title(21) == "21 numbers"
    with_gaps = label_sets(facts_of(tmp_path / "net.onnx"), 91)[0].names
    assert (with_gaps[1], with_gaps[12], with_gaps[13], with_gaps[90]) == ("person", "12", "stop sign", "toothbrush")


RANDOM = np.random.default_rng(0)


def some(*shape: int, low: float = 0.0, high: float = 1.0, whole: bool = False) -> np.ndarray:
    values = RANDOM.uniform(low, high, shape).astype(np.float32)
    return values.astype(np.int64) if whole else values


def v8(columns: int, rows: int, size: int) -> np.ndarray:
    return np.concatenate([some(1, 4, rows, high=size), some(1, columns - 4, rows)], axis=1)


TASK = {
    "classification": "classification",
    "segmentation": "semantic-segmentation",
    "heatmap-pose": "pose",
    "coordinate-pose": "pose",
    "depth": "depth",
    "landmarks": "hand-landmarks",
}


def rows(count: int, scores: int, low: float, high: float) -> np.ndarray:
    return np.concatenate([some(1, count, 4, low=low, high=high), some(1, count, scores)], axis=2)


def final_rows() -> np.ndarray:
    return np.concatenate([some(1, 300, 5), some(1, 300, 1, high=80, whole=True)], axis=2).astype(np.float32)


CASES: list[tuple[str, dict[str, np.ndarray], tuple[int, int], str]] = [
    ("YOLOv8", {"o": v8(84, 8400, 640)}, (640, 640), "yolo"),
    ("YOLOv5", {"o": rows(25200, 9, 0, 640)}, (640, 640), "yolo"),
    ("YOLOX", {"o": rows(3549, 85, -2, 2)}, (416, 416), "yolo"),
    ("RT-DETR in one", {"o": final_rows()}, (640, 640), "detr"),
    ("DETR", {"a": some(1, 100, 92, low=-5, high=5), "b": some(1, 100, 4)}, (800, 800), "detr"),
    (
        "torchvision",
        {"boxes": some(7, 4, high=300), "labels": some(7, high=90, whole=True), "scores": some(7)},
        (320, 320),
        "ssd",
    ),
    (
        "CenterNet",
        {"a": some(1, 20, 64, 64), "b": some(1, 2, 64, 64, high=9), "c": some(1, 2, 64, 64)},
        (256, 256),
        "centernet",
    ),
    ("classes", {"o": some(1, 12, low=-3, high=3)}, (224, 224), "classification"),
    ("areas", {"out": some(1, 21, 65, 65, low=-3, high=9)}, (520, 520), "segmentation"),
    ("class numbers", {"o": some(1, 96, 96, high=5, whole=True)}, (96, 96), "segmentation"),
    ("heat maps", {"o": some(1, 17, 64, 48) ** 40}, (192, 256), "heatmap-pose"),
    ("bar codes", {"a": some(1, 17, 384), "b": some(1, 17, 512)}, (192, 256), "heatmap-pose"),
    ("points", {"o": some(1, 17, 3)}, (256, 256), "coordinate-pose"),
    ("depth", {"o": some(1, 1, 256, 256, high=30)}, (256, 256), "depth"),
    ("hand", {"a": some(1, 63), "b": some(1, 1), "c": some(1, 1), "d": some(1, 63)}, (224, 224), "landmarks"),
]


@pytest.mark.parametrize(("outputs", "size_wh", "architecture"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_outputs_are_read_by_shape_and_value(
    outputs: dict[str, np.ndarray], size_wh: tuple[int, int], architecture: str
) -> None:
    found = readings(Seen([outputs], size_wh))
    assert (found[0].task, found[0].architecture) == (TASK.get(architecture, "detection"), architecture)
    assert found[0].why


def test_prototypes_make_areas_of_a_yolo() -> None:
    found = readings(Seen([{"a": v8(116, 8400, 640), "b": some(1, 32, 160, 160)}], (640, 640)))
    assert (found[0].task, found[0].classes) == ("instance-segmentation", 80)


def test_a_guess_says_what_it_found(guesser: Guesser, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "five.onnx"
    onnx_file(path, {"x": (1, 3, 64, 96)}, (1, 5))
    guess = guesser.guess(path)
    assert isinstance(guess, Guess)
    assert not guess.problem
    finding = guess.finding("size")
    assert finding is not None
    assert finding.value == (96, 64)
    assert guess.card.task == "classification"
    assert guess.tried
