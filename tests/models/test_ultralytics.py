"""Models of Ultralytics: networks built from its YAML files with seeded weights, in every task and export."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import (
    DenseMap,
    Detections,
    Keypoints,
    Labels,
    Masks,
    ModelIncompatible,
    ModelMissing,
    ModelRefused,
    OrientedDetections,
    RuntimeMissing,
)
from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.trust import trust
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes import open_network
from scenescope.models.vision.ultralytics import UltralyticsModel, quiet_ultralytics

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ultralytics") is None, reason="ultralytics is not installed"),
]

# YAML, task of its card, type of its results.
TASKS = [
    ("yolo11n", "detection", Detections),
    ("yolo26n", "detection", Detections),
    ("yolov8n-rtdetr", "detection", Detections),
    ("yolov8n-seg", "instance-segmentation", Masks),
    ("yolo26n-sem", "semantic-segmentation", Masks),
    ("yolo11n-pose", "pose", Keypoints),
    ("yolo11n-obb", "oriented-detection", OrientedDetections),
    ("yolo11n-cls", "classification", Labels),
    ("yolo26n-depth", "depth", DenseMap),
]
SIZE_PX = 160


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    attempts = []

    def refuse(*args, **kwargs):
        attempts.append(args)
        raise OSError("a model must not reach for the network")

    # The one look-up that Ultralytics does while it is imported; the app forbids it with this variable.
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert attempts == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ultralytics")


@pytest.fixture(scope="module", autouse=True)
def own_catalogue(tmp_path_factory):
    put_back = use(Catalogue(tmp_path_factory.mktemp("catalogue")))
    yield
    put_back()


@pytest.fixture(scope="module")
def checkpoint(folder) -> Callable[[str], Path]:
    """A trusted .pt file by the name of its YAML."""
    return cache(lambda name: made(name, folder / f"{name}.pt"))


def made(name: str, path: Path) -> Path:
    import torch

    quiet_ultralytics()
    from ultralytics import RTDETR, YOLO

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(7)
        wrapper = (RTDETR if "rtdetr" in name else YOLO)(f"{name}.yaml")
        for part in wrapper.model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.2)
                part.running_var.uniform_(0.5, 1.5)
        for key, value in wrapper.model.model[-1].named_parameters():
            # The classes of a new network have probabilities of 1e-5.
            if "cv3" in key and key.endswith("2.bias"):
                value.normal_(-2, 1)
        wrapper.model.names = {i: f"class {i}" for i in wrapper.model.names}
        wrapper.save(path)
    trust(path)
    return path


def card_of(path: Path, task: str = "", **changes) -> ModelCard:
    values = {
        "name": path.stem, "title": path.stem, "summary": "", "task": task, "architecture": "yolo",
        "runtime": "ultralytics", "file": path.name, "sha256": "", "licence": "AGPL-3.0", "source": "", "upstream": "",
        "folder": path.parent, "origin": "local", "options": {"imgsz": SIZE_PX},
    }  # fmt: skip
    return ModelCard(**{**values, **changes})


def loaded(card: ModelCard, options: LoadOptions | None = None) -> UltralyticsModel:
    model = open_model(card)
    assert isinstance(model, UltralyticsModel)
    model.load(options or LoadOptions("cpu"))
    return model


@pytest.fixture
def image(bus) -> np.ndarray:
    picture = cv2.imread(str(bus))
    picture.flags.writeable = False
    return picture


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task", "kind"), TASKS, ids=[name for name, _, _ in TASKS])
def test_every_task_gives_its_result_in_pixels_of_the_picture(checkpoint, image, name, task, kind):
    model = loaded(card_of(checkpoint(name), task))
    assert model.placement() == Placement("CPU", "cpu")
    found = model.infer([image], confidence=0.001, iou=0.9)[0]
    height, width = image.shape[:2]
    assert type(found) is kind
    assert len(found) > 0
    if not isinstance(found, DenseMap | Keypoints):
        assert found.class_names[:2] == ("class 0", "class 1")
        assert ((found.confidence > 0) & (found.confidence <= 1)).all()
    if type(found) is Detections:
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [width, height, width, height]).all()
        assert (found.size_wh >= 0).all()
    elif isinstance(found, OrientedDetections):
        sides = np.linalg.norm(found.quad_xy - np.roll(found.quad_xy, 1, axis=1), axis=2)
        assert np.allclose(sides[:, 0], sides[:, 2], rtol=1e-3, atol=0.1), "opposite sides are as long"
    elif isinstance(found, Keypoints):
        assert found.xy.shape[1:] == (17, 2)
        assert found.names[0] == "nose"
        assert found.skeleton
    elif isinstance(found, Masks):
        assert found.size_wh == (width, height)
        assert all(area.any() for area in found.alpha)
        assert all(x + a.shape[1] <= width + 1 for a, (x, _) in zip(found.alpha, found.top_left_xy, strict=True))
    elif isinstance(found, Labels):
        assert len(found) == 5
        assert (np.diff(found.confidence) <= 0).all()
        assert len(model.infer([image], top=2)[0]) == 2
    elif isinstance(found, DenseMap):
        assert found.values[0].shape == (height, width)
        assert (found.kind, found.unit) == ("depth", "m")
    for shape in ((1, 1), (3, 5), (2, 2000), (2000, 2)):
        model.infer([np.full((*shape, 3), 90, np.uint8)], confidence=0.001)
    model.close()


@pytest.mark.slow
def test_areas_lie_where_the_library_draws_them(checkpoint, image):
    """Grown from the input's size to the picture's here, grown before they are cut out there."""
    path = checkpoint("yolov8n-seg")
    found = loaded(card_of(path)).infer([image], confidence=0.001, iou=0.9)[0]
    from ultralytics import YOLO

    result = YOLO(path).predict(
        image.copy(), conf=0.001, iou=0.9, imgsz=SIZE_PX, retina_masks=True, verbose=False, device="cpu"
    )[0]
    theirs = result.masks.data.numpy() > 0
    assert abs(len(found) - len(theirs)) <= 1
    for row in range(min(len(found), len(theirs), 5)):
        ours = np.zeros(image.shape[:2], bool)
        (x, y), alpha = found.top_left_xy[row], found.alpha[row]
        ours[y : y + alpha.shape[0], x : x + alpha.shape[1]] = (alpha > 127)[: image.shape[0] - y, : image.shape[1] - x]
        overlap = (ours & theirs[row]).sum() / (ours | theirs[row]).sum()
        assert overlap > 0.9, f"row {row}: {overlap:.2f}"


# The same network in other formats -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exports(folder, checkpoint) -> Callable[[str], dict[str, Path]]:
    """Files of a checkpoint by the runtime that opens them."""

    def export(name: str) -> dict[str, Path]:
        import torch
        from ultralytics import YOLO

        path = checkpoint(name)
        files = {
            "onnxruntime": YOLO(path).export(format="onnx", imgsz=SIZE_PX, simplify=False, verbose=False),
            "torchscript": YOLO(path).export(format="torchscript", imgsz=SIZE_PX, verbose=False),
        }
        network = YOLO(path).model.float().eval().fuse(verbose=False)
        for part in network.modules():
            if hasattr(part, "export"):
                part.export, part.format = True, "torchscript"
        example = torch.zeros(1, 3, SIZE_PX, SIZE_PX)
        with torch.no_grad():
            network(example)
            program = torch.export.export(network, (example,))
        torch.export.save(program, folder / f"{name}.pt2")
        return {runtime: Path(file) for runtime, file in files.items()} | {"torch-export": folder / f"{name}.pt2"}

    return cache(export)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo11n", "yolo26n", "yolov8n-seg"])
def test_raw_outputs_are_equal_in_every_export(checkpoint, exports, photos, name):
    """As a .pt of Ultralytics, on ONNX Runtime, as TorchScript and as a .pt2, with the same weights."""
    import torch

    model = loaded(card_of(checkpoint(name)))
    square = cv2.resize(cv2.imread(str(photos / "astronaut.png")), (SIZE_PX, SIZE_PX))
    inputs, _ = model.preprocess(square)
    assert tuple(inputs["images"].shape) == (1, 3, SIZE_PX, SIZE_PX)
    raw = model.forward(inputs)["raw"][0]
    expected = [part.numpy() for part in (raw if isinstance(raw, tuple | list) else [raw]) if torch.is_tensor(part)]
    assert expected[0].max() > 1, "boxes in pixels"
    assert expected[0][:, 4:].max() > 0.2, "and classes that are not all nothing"
    for runtime, path in exports(name).items():
        network = open_network(runtime, path, LoadOptions("cpu"))
        outputs = list(network.run({network.inputs[0].name: inputs["images"].numpy()}).values())
        assert [output.shape for output in outputs] == [part.shape for part in expected], runtime
        for output, part in zip(outputs, expected, strict=True):
            assert np.abs(output - part).max() < 1e-3, runtime
        network.close()


@pytest.mark.slow
def test_exports_run_in_the_librarys_own_way_too(checkpoint, exports, photos):
    square = cv2.resize(cv2.imread(str(photos / "astronaut.png")), (SIZE_PX, SIZE_PX))
    model = loaded(card_of(checkpoint("yolo11n")))
    inputs, _ = model.preprocess(square)
    expected, found = model.forward(inputs)["raw"][0], model.infer([square], confidence=0.5)[0]
    for runtime, detail in (("onnxruntime", "ONNX Runtime"), ("torchscript", "")):
        other = loaded(card_of(exports("yolo11n")[runtime], "detection"))
        assert other.placement() == Placement("CPU", "cpu", detail=detail)
        assert float((other.forward(inputs)["raw"] - expected).abs().max()) < 1e-3
        again = other.infer([square], confidence=0.5)[0]
        assert again.class_names == found.class_names
        # Which boxes are left over is by chance: those of random weights come in equals.
        assert again.confidence[:5] == pytest.approx(found.confidence[:5], abs=1e-3)


# What is refused -----------------------------------------------------------------------------------------------------


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    "name", ["evil.pt", "evil.PT", "evil.pth", "sam_b.pt", "FastSAM-s.pt", "evil.onnx.pt", "a.pt.b"]
)
def test_a_checkpoint_is_refused_before_it_is_read(tmp_path, name):
    path, marker = tmp_path / name, tmp_path / "owned"
    path.write_bytes(pickle.dumps({"model": Evil(marker)}))
    with pytest.raises(ModelRefused, match="pickle, which can run any code") as caught:
        loaded(card_of(path))
    assert "trust" in caught.value.hint
    assert not marker.exists()


def test_what_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "notes.txt").write_text("no network")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    (tmp_path / "broken.pt").write_bytes(b"no network")
    trust(tmp_path / "broken.pt")
    cases = [
        # Names that the library would fetch from the internet.
        ("yolo11n.pt", ModelMissing, "yolo11n.pt is not on this computer"),
        ("rtdetr-l.pt", ModelMissing, "not on this computer"),
        ("notes.txt", ModelIncompatible, "none of the formats of Ultralytics"),
        ("broken.onnx", ModelIncompatible, "Ultralytics cannot run broken"),
        ("broken.pt", ModelIncompatible, "Ultralytics cannot run broken"),
    ]
    for name, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            loaded(card_of(tmp_path / name))
        assert caught.value.hint


@pytest.mark.slow
def test_a_card_that_says_another_task_is_refused(checkpoint):
    with pytest.raises(ModelIncompatible, match="is a network for detection, but its card says pose"):
        loaded(card_of(checkpoint("yolo11n"), "pose"))


def test_the_library_is_kept_from_the_network_pip_and_the_users_settings():
    quiet_ultralytics()
    from ultralytics.utils import SETTINGS_FILE, checks, events

    assert not events.events.enabled
    assert not checks.AUTOINSTALL
    assert not checks.ONLINE
    assert Path(os.environ["YOLO_CONFIG_DIR"]) in SETTINGS_FILE.parents


# Where and how it runs -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_loading_leaves_the_thread_pools_as_the_budget_says(checkpoint):
    import torch

    loaded(card_of(checkpoint("yolo11n")), LoadOptions("cpu", threads=ThreadBudget(1, 2)))
    assert (cv2.getNumThreads(), torch.get_num_threads()) == (2, 2)
    loaded(card_of(checkpoint("yolo11n")), LoadOptions("cpu", threads=ThreadBudget(2, 1)))
    assert (cv2.getNumThreads(), torch.get_num_threads()) == (1, 1)


@pytest.mark.slow
def test_a_device_that_is_not_there_is_refused_or_told(checkpoint, image):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    card = card_of(checkpoint("yolo11n"))
    with pytest.raises(RuntimeMissing, match="not on CUDA:0 as wished"):
        loaded(card, LoadOptions("cuda:0", strict=True))
    assert loaded(card, LoadOptions("cuda")).placement().problem.startswith("Runs on CPU: ")
    half = loaded(card, LoadOptions("cpu", half=True))
    assert half.placement().problem.startswith("Runs on CPU: half precision is for GPUs")
    assert len(half.infer([image], confidence=0.01)[0]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["full", "half"])
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, _, kind in TASKS])
def test_on_a_gpu_the_result_has_the_same_type(checkpoint, image, name, kind, half):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    model = loaded(card_of(checkpoint(name)), LoadOptions("cuda", strict=True, half=half))
    assert model.placement() == Placement("CUDA:0", "cuda", detail="half precision" if half else "")
    assert type(model.infer([image], confidence=0.001)[0]) is kind


# Prompts -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sam_outlines_what_it_is_pointed_at(folder, photos):
    import torch
    from ultralytics.models.sam.build import build_mobile_sam

    path = folder / "mobile_sam.pt"
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        network = build_mobile_sam()
        # New networks think little of their areas.
        network.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(0.9)
        torch.save(network.state_dict(), path)
    trust(path)
    model = loaded(card_of(path, "instance-segmentation", options={}))
    picture = cv2.imread(str(photos / "chelsea.png"))
    (whole,) = model.infer([picture], confidence=0.1)
    assert len(whole) == 1, "the whole picture is one box"
    boxes, points = np.array([(20, 30, 200, 250), (100, 10, 300, 200)]), [(150.5, 120.5)]
    (found,) = model.infer([picture], confidence=0.1, boxes_xyxy=boxes, points_xy=points)
    assert found.labels == ["object"] * 3
    assert found.size_wh == (picture.shape[1], picture.shape[0])


@pytest.mark.slow
def test_fastsam_keeps_what_the_prompt_touches(folder, image):
    path = made("yolov8n-seg", folder / "FastSAM-s.pt")
    model = loaded(card_of(path, "instance-segmentation", architecture="fastsam"))
    everything = model.infer([image], confidence=0.001)[0]
    pointed = model.infer([image], confidence=0.001, points_xy=[(400, 500)])[0]
    boxed = model.infer([image], confidence=0.001, boxes_xyxy=[(0, 0, 810, 1080)])[0]
    assert len(everything) > len(pointed)
    assert len(boxed) == 1
    assert set(everything.labels) == {"object"}
    assert len(model.infer([image], confidence=0.001)[0]) == len(everything), "a prompt is not remembered"
