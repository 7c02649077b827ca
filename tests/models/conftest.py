"""One small network with the same seeded weights, written in every format that a runtime reads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from scenescope.models.vision.runtimes.tensorflow_common import before_tensorflow

CLASSES, SIDE = 4, 32


class Tiny(NamedTuple):
    """A written network: runtime, path, card options, and the order of its axes."""

    runtime: str
    path: Path
    options: dict[str, Any]
    layout: str


def tiny_weights() -> dict[str, np.ndarray]:
    """3x3 convolution of 3 to 8 channels, ReLU, 3x3 convolution to 4: out x in x height x width."""
    rng = np.random.default_rng(7)
    shapes = {"first.weight": (8, 3, 3, 3), "first.bias": (8,), "second.weight": (CLASSES, 8, 3, 3)}
    shapes["second.bias"] = (CLASSES,)
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def tiny_torch() -> Any:
    """The network as a module that returns a map (1, 4, h, w) and its means (1, 4)."""
    import torch

    class TinyNetwork(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, padding=1)
            self.second = torch.nn.Conv2d(8, CLASSES, 3, padding=1)

        def forward(self, picture):
            areas = self.second(torch.relu(self.first(picture)))
            return areas, areas.mean((2, 3))

    module = TinyNetwork().eval()
    module.load_state_dict({name: torch.from_numpy(value) for name, value in tiny_weights().items()})
    return module


def tiny_keras(size: int | None = SIDE) -> Any:
    """The same network in Keras, channels last."""
    import keras

    given = keras.Input((size, size, 3), name="picture")
    first = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="first")
    second = keras.layers.Conv2D(CLASSES, 3, padding="same", name="areas")
    areas = second(first(given))
    model = keras.Model(given, [areas, keras.layers.GlobalAveragePooling2D(name="means")(areas)])
    weights = tiny_weights()
    for layer, name in ((first, "first"), (second, "second")):
        layer.set_weights([weights[f"{name}.weight"].transpose(2, 3, 1, 0), weights[f"{name}.bias"]])
    return model


def write_onnx(path: Path, side: int | str = SIDE, opset: int = 17) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["picture", "first.weight", "first.bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second.weight", "second.bias"], ["areas"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["areas"], ["means"], axes=[2, 3], keepdims=0),
    ]
    batch = 1 if isinstance(side, int) else "batch"
    tensors = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [batch, 3, side, side])]
    found = [
        helper.make_tensor_value_info("areas", TensorProto.FLOAT, [batch, CLASSES, side, side]),
        helper.make_tensor_value_info("means", TensorProto.FLOAT, [batch, CLASSES]),
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in tiny_weights().items()]
    graph = helper.make_graph(nodes, "tiny", tensors, found, initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"task": "classify", "stride": "1"})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """The network as .onnx."""
    return write_onnx(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture(scope="session")
def tiny_torch_files(tmp_path_factory) -> list[Tiny]:
    """The network in PyTorch's formats."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    models = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("torch")
    module, example = tiny_torch(), torch.zeros(1, 3, SIDE, SIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(
            torch.jit.trace(module, example), folder / "tiny.pt", _extra_files={"config.txt": '{"stride": 8}'}
        )
    torch.export.save(torch.export.export(module, (example,)), folder / "tiny.pt2")
    if "scenescope_tiny" not in models.list_models():
        models._api.register_model("scenescope_tiny")(lambda weights=None, **options: tiny_torch())
    save_file(module.state_dict(), folder / "tiny.safetensors", metadata={"task": "classify"})
    return [
        Tiny("torchscript", folder / "tiny.pt", {}, "NCHW"),
        Tiny("torch-export", folder / "tiny.pt2", {}, "NCHW"),
        Tiny("torchvision", folder / "tiny.safetensors", {"factory": "scenescope_tiny"}, "NCHW"),
    ]


@pytest.fixture(scope="session")
def tiny_tensorflow_files(tmp_path_factory) -> list[Tiny]:
    """The network in TensorFlow's and Keras' formats; the .tflite files are plain, of any size, and of int8."""
    before_tensorflow()
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend here")
    folder = tmp_path_factory.mktemp("tensorflow")
    model = tiny_keras()
    model.save(folder / "tiny.keras")
    model.save(folder / "tiny.h5")
    model.export(folder / "tiny", verbose=False)
    for name, net in (("tiny", model), ("any", tiny_keras(None))):
        (folder / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(net).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    rng = np.random.default_rng(3)
    converter.representative_dataset = lambda: ([rng.random((1, SIDE, SIDE, 3), dtype=np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "int8.tflite").write_bytes(converter.convert())
    return [
        Tiny("tensorflow", folder / "tiny", {}, "NHWC"),
        Tiny("keras", folder / "tiny.keras", {}, "NHWC"),
        Tiny("keras", folder / "tiny.h5", {}, "NHWC"),
        Tiny("litert", folder / "tiny.tflite", {}, "NHWC"),
        Tiny("litert", folder / "any.tflite", {}, "NHWC"),
    ]


@pytest.fixture(scope="session")
def tiny_networks(tiny_onnx, tiny_torch_files, tiny_tensorflow_files) -> list[Tiny]:
    """The network in every format."""
    return [
        Tiny("onnxruntime", tiny_onnx, {}, "NCHW"),
        Tiny("opencv", tiny_onnx, {}, "NCHW"),
        *tiny_torch_files,
        *tiny_tensorflow_files,
    ]


@pytest.fixture
def tiny_writer():
    """Writes the network as .onnx: path, side (a name for any), opset."""
    return write_onnx
