"""Thirty model files of many kinds, each made here or copied under a name that tells nothing, and what is true of it.

The truth is written down from how each file is made. Where a network has random weights and its file says nothing of
colours or values, these are nobody's to know, and stay None.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

BUNDLED = Path(str(files("scenescope.resources").joinpath("models")))


@dataclass(frozen=True)
class Truth:
    """What is right. None where nobody can know it."""

    file: str
    runtime: str
    task: str
    architecture: str
    layout: str | None = None
    size_wh: tuple[int, int] | None = None
    normalisation: str | None = None
    colour: str | None = None
    labels: int | None = None


Make = Callable[[Path], None]


def zoo(folder: Path) -> list[tuple[Truth, Path]]:
    """Make all of them in ``folder``."""
    from tqdm import tqdm

    # Its watcher would outlive the test.
    tqdm.monitor_interval = 0
    torch.manual_seed(0)
    made = []
    for truth, make in (*_bundled(), *_ultralytics(folder / "scratch"), *_heads(), *_torch(), *_folders(), *_keras()):
        path = folder / truth.file
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
        made.append((truth, path))
    return made


# Real networks under other names --------------------------------------------------------------------------------------


def _bundled() -> Sequence[tuple[Truth, Make]]:
    def copy(name: str) -> Make:
        return lambda path: shutil.copy(BUNDLED / name, path) and None

    onnx, lite, nchw, nhwc = "onnxruntime", "litert", "NCHW", "NHWC"
    nanodet = ("detection", "nanodet", nchw, (416, 416), "ImageNet", "BGR", 80)
    classes = ("classification", "classification", nchw, (224, 224), "ImageNet", "RGB", 1000)
    rows = (
        (Truth("a1.onnx", onnx, *nanodet), "nanodet_g_416_coco.onnx"),
        (Truth("a2.tflite", lite, *nanodet), "nanodet_g_416_coco.tflite"),
        (
            Truth("a3.onnx", onnx, "pose", "movenet", nhwc, (192, 192), "0..255", "RGB"),
            "movenet_singlepose_lightning_192.onnx",
        ),
        (
            Truth("a4.tflite", lite, "matte", "matte", nhwc, (256, 256), "0..1", "RGB"),
            "selfie_segmentation_256.tflite",
        ),
        (
            Truth("a5.onnx", onnx, "face-detection", "blazeface", nhwc, (128, 128), "-1..1", "RGB"),
            "blazeface_short_range_128.onnx",
        ),
        (Truth("a6.safetensors", "torchvision", *classes), "mobilenet_v2_imagenet1k_v1.safetensors"),
    )
    return [(truth, copy(name)) for truth, name in rows]


# Ultralytics' own exports ---------------------------------------------------------------------------------------------


def _ultralytics(scratch: Path) -> Sequence[tuple[Truth, Make]]:
    def export(yaml: str, kind: str, size: int, stripped: bool, **more: Any) -> Make:
        def make(path: Path) -> None:
            from ultralytics import YOLO

            scratch.mkdir(exist_ok=True)
            with contextlib.redirect_stdout(io.StringIO()):
                network = YOLO(yaml, verbose=False)
                network.model.pt_path = str(scratch / f"{path.stem}.pt")
                network.ckpt_path = str(scratch / f"{path.stem}.pt")
                made = network.export(format=kind, imgsz=size, verbose=False, **more)
            shutil.move(made, path)
            if stripped:
                _strip(path)

        return make

    def truth(file: str, task: str, size: int, labels: int | None, architecture: str = "yolo") -> Truth:
        runtime = "torchscript" if file.endswith(".pt") else "onnxruntime"
        return Truth(file, runtime, task, architecture, "NCHW", (size, size), "0..1", "RGB", labels)

    return [
        (truth("b1.onnx", "detection", 160, 80), export("yolo11n.yaml", "onnx", 160, False, simplify=False)),
        (truth("b2.onnx", "detection", 128, 80), export("yolov8n.yaml", "onnx", 128, True, simplify=False)),
        (
            truth("b3.onnx", "instance-segmentation", 160, 80),
            export("yolo11n-seg.yaml", "onnx", 160, True, simplify=False),
        ),
        (truth("b4.onnx", "pose", 128, 80), export("yolo11n-pose.yaml", "onnx", 128, False, simplify=False)),
        (
            truth("b5.onnx", "oriented-detection", 128, 80),
            export("yolo11n-obb.yaml", "onnx", 128, False, simplify=False),
        ),
        # Without its metadata nothing tells how many classes a network with final rows has.
        (
            truth("b6.onnx", "detection", 160, None),
            export("yolo26n.yaml", "onnx", 160, True, simplify=False, nms=False),
        ),
        (
            truth("b7.pt", "classification", 96, 1000, "classification"),
            export("yolo11n-cls.yaml", "torchscript", 96, False),
        ),
    ]


def _strip(path: Path) -> None:
    import onnx

    network = onnx.load(path)
    del network.metadata_props[:]
    network.doc_string = ""
    onnx.save(network, path)


# Heads of other families on a small body, as ONNX ---------------------------------------------------------------------


class Body(nn.Module):
    """Convolutions down to a stride."""

    def __init__(self, stride: int, channels: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        at = 3
        while stride > 1:
            layers += [nn.Conv2d(at, channels, 3, 2, 1), nn.BatchNorm2d(channels), nn.ReLU()]
            at, stride = channels, stride // 2
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class YoloV5(nn.Module):
    """YOLOv5's Detect: three anchors a cell, decoded to pixels."""

    def __init__(self, classes: int, grid: bool = False) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(Body(stride) for stride in (8, 16, 32))
        self.per_cell, self.grid, self.columns = (1 if grid else 3), grid, 5 + classes
        self.heads = nn.ModuleList(nn.Conv2d(16, self.per_cell * self.columns, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = []
        for body, head, stride in zip(self.bodies, self.heads, (8, 16, 32), strict=True):
            raw = head(body(x))
            _, _, h, w = raw.shape
            raw = raw.view(1, self.per_cell, self.columns, h, w).permute(0, 1, 3, 4, 2)
            if self.grid:
                # YOLOX exports offsets as they are, and probabilities.
                values = torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], -1)
            else:
                y, z = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
                corner = torch.stack([z, y], -1).float()
                s = raw.sigmoid()
                xy = (s[..., :2] * 2 - 0.5 + corner) * stride
                wh = (s[..., 2:4] * 2) ** 2 * (4.0 * stride)
                values = torch.cat([xy, wh, s[..., 4:]], -1)
            levels.append(values.reshape(1, -1, self.columns))
        return torch.cat(levels, 1)


class SsdPostprocessed(nn.Module):
    """As TensorFlow's object detection API exports: uint8 NHWC in; boxes, classes, scores, count out."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Body(32), nn.Linear(16 * 9 * 9, 10 * 6)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.head(self.body(x.permute(0, 3, 1, 2).float() / 127.5 - 1).flatten(1)).view(1, 10, 6).sigmoid()
        low, high = found[..., :2] * 0.5, found[..., :2] * 0.5 + found[..., 2:4] * 0.5
        scores = found[..., 4].sort(descending=True).values
        classes = (found[..., 5] * 90).floor()
        return torch.full((1,), 10.0), scores, classes, torch.cat([low, high], -1)


class CenterNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = Body(4)
        self.heat, self.size, self.offset = (nn.Conv2d(16, n, 1) for n in (classes, 2, 2))
        nn.init.constant_(self.heat.bias, -2.19)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.body(x)
        return self.heat(y).sigmoid(), self.size(y).relu() * 10, self.offset(y).sigmoid()


class Queries(nn.Module):
    """Logits and boxes of DETR (with a last class for nothing) or RT-DETR."""

    def __init__(self, queries: int, classes: int, nothing: bool) -> None:
        super().__init__()
        self.body, self.queries = Body(32), nn.Parameter(torch.randn(queries, 16))
        self.logits, self.boxes = nn.Linear(16, classes + nothing), nn.Linear(16, 4)
        with torch.no_grad():
            # As after training: nearly all queries are nothing.
            self.logits.bias.fill_(-4.6) if not nothing else self.logits.bias[-1].fill_(4.0)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.queries[None] + self.body(x).mean((2, 3))[:, None]
        return self.logits(y), self.boxes(y).sigmoid()


class Map(nn.Module):
    """One map of ``channels`` at a stride."""

    def __init__(self, stride: int, channels: int, positive: bool = False, up: int = 1) -> None:
        super().__init__()
        self.body, self.head, self.positive, self.up = Body(stride), nn.Conv2d(16, channels, 1), positive, up

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.head(self.body(x))
        y = nn.functional.interpolate(y, scale_factor=float(self.up), mode="bilinear") if self.up > 1 else y
        return y.exp() * 5 if self.positive else y


def _heads() -> Sequence[tuple[Truth, Make]]:
    def export(module: nn.Module, shape: tuple[int, ...], names: Sequence[str], dtype: Any = torch.float32) -> Make:
        def make(path: Path) -> None:
            given = torch.zeros(shape, dtype=dtype)
            with contextlib.redirect_stdout(io.StringIO()):
                torch.onnx.export(
                    module.eval(), (given,), str(path), input_names=["x"], output_names=list(names), dynamo=False,
                    opset_version=17,
                )  # fmt: skip

        return make

    def truth(
        file: str, task: str, architecture: str, size_wh: tuple[int, int], labels: int | None, **more: Any
    ) -> Truth:
        return Truth(
            file, "onnxruntime", task, architecture, **{"layout": "NCHW", **more}, size_wh=size_wh, labels=labels
        )

    square = (1, 3, 256, 256)
    return [
        (
            truth("c1.onnx", "detection", "yolo", (256, 256), 80, normalisation="0..1", colour="RGB"),
            export(YoloV5(80), square, ["o"]),
        ),
        (truth("c2.onnx", "detection", "yolo", (320, 256), 7), export(YoloV5(7, grid=True), (1, 3, 256, 320), ["o"])),
        (
            truth("c3.onnx", "detection", "ssd", (288, 288), None, layout="NHWC", normalisation="0..255", colour="RGB"),
            export(SsdPostprocessed(), (1, 288, 288, 3), ["p", "q", "r", "s"], torch.uint8),
        ),
        (truth("c4.onnx", "detection", "centernet", (256, 256), 20), export(CenterNet(20), square, ["p", "q", "r"])),
        (truth("c5.onnx", "detection", "detr", (256, 256), 91), export(Queries(100, 91, True), square, ["p", "q"])),
        (truth("c6.onnx", "detection", "detr", (256, 256), 80), export(Queries(300, 80, False), square, ["p", "q"])),
        (truth("c7.onnx", "pose", "heatmap-pose", (192, 256), None), export(Map(4, 17), (1, 3, 256, 192), ["o"])),
        (truth("c8.onnx", "depth", "depth", (256, 192), None), export(Map(8, 1, True, 8), (1, 3, 192, 256), ["o"])),
        (
            truth("c9.onnx", "semantic-segmentation", "segmentation", (256, 256), 19),
            export(Map(8, 19, up=2), square, ["o"]),
        ),
    ]


# TensorFlow -----------------------------------------------------------------------------------------------------------


def _keras() -> Sequence[tuple[Truth, Make]]:
    def keras_mobilenet(path: Path) -> None:
        import keras

        keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10).save(path)

    def small(classes: int, *first: Any) -> Any:
        import keras

        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((128, 96, 3)),
                *first,
                layers.Conv2D(8, 3, 4, "same", activation="relu"),
                layers.Conv2DTranspose(classes, 4, 4, "same", activation="softmax"),
            ]
        )

    def keras_segmentation(path: Path) -> None:
        import keras

        small(21, keras.layers.Rescaling(1 / 127.5, -1)).save(path)

    def saved_model(path: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            small(5).export(path, verbose=False)

    def quantised(path: Path) -> None:
        import keras
        import tensorflow as tf

        layers = keras.layers
        network = keras.Sequential(
            [
                keras.Input((64, 64, 3)),
                layers.Conv2D(8, 3, 2, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(6, activation="softmax"),
            ]
        )
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        random = np.random.default_rng(0)
        converter.representative_dataset = lambda: ([random.random((1, 64, 64, 3), np.float32)] for _ in range(8))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        path.write_bytes(converter.convert())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels.txt", "\n".join(("ant", "bee", "cow", "dog", "eel", "fox")))

    return [
        (
            Truth("d1.keras", "keras", "classification", "classification", "NHWC", (96, 96), "-1..1", "RGB", 10),
            keras_mobilenet,
        ),
        (
            Truth("d2.h5", "keras", "semantic-segmentation", "segmentation", "NHWC", (96, 128), "0..255", None, 21),
            keras_segmentation,
        ),
        (
            Truth("d3", "tensorflow", "semantic-segmentation", "segmentation", "NHWC", (96, 128), None, None, 5),
            saved_model,
        ),
        (
            Truth("d4.tflite", "litert", "classification", "classification", "NHWC", (64, 64), "0..255", None, 6),
            quantised,
        ),
    ]


# PyTorch --------------------------------------------------------------------------------------------------------------


def _torch() -> Sequence[tuple[Truth, Make]]:
    def resnet(path: Path) -> None:
        import torchvision
        from safetensors.torch import save_file

        save_file(torchvision.models.resnet18(num_classes=7).state_dict(), path)

    def exported(path: Path) -> None:
        network = nn.Sequential(Body(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)).eval()
        torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 96, 160),)), path)
        (path.parent / "labels.txt").write_text("north\neast\nsouth\nwest\n", encoding="utf-8")

    return [
        (
            Truth(
                "e1.safetensors",
                "torchvision",
                "classification",
                "classification",
                "NCHW",
                (224, 224),
                "ImageNet",
                "RGB",
                7,
            ),
            resnet,
        ),
        (
            Truth("e/2.pt2", "torch-export", "classification", "classification", "NCHW", (160, 96), None, None, 4),
            exported,
        ),
    ]


# Hugging Face folders -------------------------------------------------------------------------------------------------


def _folders() -> Sequence[tuple[Truth, Make]]:
    def vit(path: Path) -> None:
        from transformers import ViTConfig, ViTForImageClassification

        labels = {0: "cat", 1: "dog", 2: "bird"}
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        config = ViTConfig(**sizes, image_size=64, patch_size=16, id2label=labels)
        _save(path, ViTForImageClassification(config), "ViTImageProcessor", 64, 0.5)

    def depth(path: Path) -> None:
        from transformers import GLPNConfig, GLPNForDepthEstimation

        config = GLPNConfig(
            depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=8, num_attention_heads=[1, 1, 2, 2],
            sr_ratios=[8, 4, 2, 1],
        )  # fmt: skip
        _save(path, GLPNForDepthEstimation(config), "GLPNImageProcessor", 64, 0.5)

    return [
        (Truth("f1", "transformers", "classification", "vit", None, (64, 64), "-1..1", "RGB", 3), vit),
        (Truth("f2", "transformers", "depth", "glpn"), depth),
    ]


def _save(path: Path, network: Any, processor: str, size: int, mean: float) -> None:
    network.save_pretrained(path)
    content = {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [mean] * 3,
        "image_std": [mean] * 3,
    }
    (path / "preprocessor_config.json").write_text(json.dumps(content), encoding="utf-8")
