"""What runtimes promise before a network is opened, and what does not depend on a library."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import OrderedDict

import cv2
import numpy as np
import pytest

from scenescope.models import Labels
from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import ModelCard, load_card
from scenescope.models.errors import ModelError, ModelIncompatible, RuntimeMissing
from scenescope.models.vision import runtimes
from scenescope.models.vision.decoders import decoder_for
from scenescope.models.vision.inputs import InputSpec, prepare
from scenescope.models.vision.network import Network, TensorInfo, explained, named_outputs
from scenescope.models.vision.placement import LoadOptions, Placement, not_offered, on_cpu_only, same_device
from scenescope.models.vision.runtimes import RUNTIMES, open_network, require
from scenescope.models.vision.runtimes.onnx import OnnxNetwork, _providers

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
COREML, DML, OPENVINO = "CoreMLExecutionProvider", "DmlExecutionProvider", "OpenVINOExecutionProvider"


# Before a network is opened ------------------------------------------------------------------------------------------


def test_importing_every_runtime_imports_none_of_their_libraries():
    heavy = "torch torchvision tensorflow keras onnxruntime ai_edge_litert safetensors jax ultralytics transformers"
    code = f"""
import sys
from importlib import import_module
from scenescope.models.vision.runtimes import RUNTIMES
for info in RUNTIMES.values():
    if info.network:
        module, name = info.network.split(":")
        assert getattr(import_module(module), name)
    assert isinstance(info.missing, tuple)
import scenescope.models.vision.runtimes.torch_common, scenescope.models.vision.runtimes.tensorflow_common
print([name for name in {heavy.split()} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_missing_library_is_explained(name, monkeypatch, tmp_path):
    monkeypatch.setattr(runtimes, "find_spec", lambda package: None)
    info = RUNTIMES[name]
    with pytest.raises(RuntimeMissing) as caught:
        require(name)
    assert caught.value.user_message.startswith(f"{info.title} runs {info.opens}, but {info.packages[0]}")
    assert caught.value.user_message.endswith("is not installed.")
    extra = f"scenescope[{info.extra}]" if info.extra else info.packages[0]
    assert caught.value.hint == f"pip install '{extra}'"
    with pytest.raises(RuntimeMissing):
        open_network(name, tmp_path / "x")


def test_a_library_that_cannot_be_imported_is_explained(monkeypatch, tiny_onnx):
    monkeypatch.setattr(runtimes, "find_spec", lambda package: package)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissing, match="ONNX Runtime is installed, but cannot be imported"):
        open_network("onnxruntime", tiny_onnx)


def test_an_unknown_runtime_and_one_without_tensors_are_named(tmp_path):
    with pytest.raises(ModelIncompatible, match="no runtime called 'caffe'"):
        require("caffe")
    with pytest.raises(ModelIncompatible, match="does not run bare tensors"):
        open_network("ultralytics", tmp_path)


# Where it runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wished", "device", "same"),
    [
        ("auto", "CPU", True),
        ("cuda", "CUDA:0", True),
        ("cuda", "CUDA:1", True),
        ("cuda:1", "CUDA:1", True),
        ("cuda:1", "CUDA:0", False),
        ("cuda:0", "CUDA", True),
        ("cuda", "CPU", False),
        ("mps", "MPS:0", True),
        ("mps", "CoreML", True),
        ("directml", "Dml:0", True),
        ("tensorrt", "TensorRT:0", True),
    ],
)
def test_a_device_fulfils_a_wish(wished, device, same):
    assert same_device(wished, device) == same
    assert (Placement(device, wished).problem == "") == same


def test_what_a_runtime_does_not_offer_is_told():
    assert not_offered(LoadOptions(), "X") == ""
    assert not_offered(LoadOptions(half=True), "X") == "X keeps the precision of the file"
    assert not_offered(LoadOptions(half=True), "X", half=True) == ""
    assert "does not compile" in not_offered(LoadOptions(compiled=True), "X")
    assert on_cpu_only(LoadOptions("cuda:0"), "X").problem == "Runs on CPU: X runs on the CPU only"
    assert on_cpu_only(LoadOptions("cpu"), "X").problem == ""


@pytest.mark.parametrize("runtime", ["onnxruntime", "opencv", "litert"])
def test_a_fall_back_is_told_and_strict_refuses_it(runtime, tiny_onnx):
    path = tiny_onnx if runtime != "litert" else load_card("selfie_segmentation_256_tflite").path
    network = open_network(runtime, path, LoadOptions("openvino", half=True))
    assert network.placement.device == "CPU"
    assert network.placement.problem.startswith("Runs on CPU: ")
    with pytest.raises(RuntimeMissing, match=r"OPENVINO as wished|no provider for 'openvino'"):
        open_network(runtime, path, LoadOptions("openvino", strict=True))
    assert open_network(runtime, path, LoadOptions("cpu", strict=True)).placement.problem == ""


@pytest.mark.parametrize(
    ("wish", "available", "expected"),
    [
        ({"device": "auto"}, [TENSORRT, CUDA, CPU], [(CUDA, {"device_id": 0}), (CPU, {})]),
        ({"device": "auto"}, [COREML, CPU], [(COREML, {}), (CPU, {})]),
        ({"device": "cpu"}, [CUDA, CPU], [(CPU, {})]),
        ({"device": "cuda:1"}, [TENSORRT, CUDA, CPU], [(CUDA, {"device_id": 1}), (CPU, {})]),
        ({"device": "mps"}, [COREML, CPU], [(COREML, {}), (CPU, {})]),
        ({"device": "directml"}, [DML, CPU], [(DML, {"device_id": 0}), (CPU, {})]),
        ({"device": "openvino"}, [OPENVINO, CPU], [(OPENVINO, {}), (CPU, {})]),
        (
            {"device": "tensorrt:1", "half": True},
            [TENSORRT, CUDA, CPU],
            [(TENSORRT, {"device_id": 1, "trt_fp16_enable": True}), (CUDA, {"device_id": 1}), (CPU, {})],
        ),
    ],
)
def test_providers_are_asked_for_with_their_device(wish, available, expected):
    assert _providers(LoadOptions(**wish), available) == (expected, "")


class FakeSession:
    """As onnxruntime.InferenceSession where the providers ``got`` could be started."""

    got: list[str] = [CPU]

    def __init__(self, path, settings, providers):
        self.asked = providers

    def get_providers(self):
        return self.got

    def get_provider_options(self):
        return {name: {key: str(value) for key, value in options.items()} for name, options in self.asked}

    def get_inputs(self):
        return []

    get_outputs = get_inputs

    def get_modelmeta(self):
        return type("Meta", (), {"custom_metadata_map": {}})


@pytest.mark.parametrize(
    ("wish", "got", "device", "problem"),
    [
        ({"device": "cuda:1"}, [CUDA, CPU], "CUDA:1", ""),
        ({"device": "auto"}, [CUDA, CPU], "CUDA:0", ""),
        ({"device": "cuda"}, [CPU], "CPU", "Runs on CPU: ONNX Runtime has CUDA but cannot start it"),
        ({"device": "auto"}, [CPU], "CPU", "Runs on CPU: ONNX Runtime has CUDA but cannot start it"),
        ({"device": "tensorrt", "half": True}, [TENSORRT, CUDA, CPU], "TensorRT:0", ""),
        ({"device": "cuda", "half": True}, [CUDA, CPU], "CUDA:0", "ONNX Runtime keeps the precision of the file"),
    ],
)
def test_a_provider_that_gave_way_is_noticed(wish, got, device, problem, monkeypatch, tiny_onnx):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(FakeSession, "got", got)
    placement = OnnxNetwork(tiny_onnx, LoadOptions(**wish), {}).placement
    assert placement.device == device
    assert problem in placement.problem
    assert bool(problem) == bool(placement.problem)
    assert (placement.detail == "half precision") == (wish == {"device": "tensorrt", "half": True})


# Tensors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (np.zeros(1), ["output"]),
        ([np.zeros(1)], ["output"]),
        ((np.zeros(1), np.zeros(2)), ["output0", "output1"]),
        ([{"boxes": np.zeros(1), "scores": np.zeros(1)}], ["boxes", "scores"]),
        (OrderedDict(out=np.zeros(1), aux=None), ["out"]),
        ({"a": {"b": np.zeros(1)}, "c": (np.zeros(1), np.zeros(1))}, ["a.b", "c.0", "c.1"]),
        ((np.zeros(1), {"x": [np.zeros(1), "text"]}), ["output0", "output1.x.0"]),
        (None, []),
    ],
)
def test_nested_outputs_get_names(returned, names):
    assert list(named_outputs(returned, np.asarray)) == names


@pytest.mark.parametrize(
    ("error", "kind", "message", "permanent"),
    [
        (ValueError("it is odd.\nand long"), ModelIncompatible, "X cannot: it is odd.", True),
        (KeyError(), ModelIncompatible, "X cannot: KeyError.", True),
        (RuntimeError("Graph execution error:\n\nshapes differ"), ModelIncompatible, "X cannot: shapes differ.", True),
        (RuntimeError("CUDA out of memory. Tried"), ModelError, "X cannot: there is not enough memory.", False),
        (MemoryError(), ModelError, "X cannot: there is not enough memory.", False),
        (ModelIncompatible("Ours."), ModelIncompatible, "Ours.", True),
    ],
)
def test_what_a_library_raises_becomes_a_sentence(error, kind, message, permanent):
    with pytest.raises(kind) as caught, explained("X cannot"):
        raise error
    assert (caught.value.user_message, caught.value.permanent) == (message, permanent)


class Identity(Network):
    inputs = (TensorInfo("a", (1, None, 2), "float32"), TensorInfo("b", (), "float32"))

    def run(self, inputs):
        return dict(zip("ab", self.ordered(inputs), strict=True))


def test_inputs_are_checked_before_a_library_sees_them():
    network = Identity()
    assert [value.shape for value in network.run_on_zeros(3).values()] == [(1, 3, 2), ()]
    with pytest.raises(ModelIncompatible, match="also needs the input b; it was given a"):
        network.run({"a": np.zeros((1, 1, 2))})
    for shape in ((2, 1, 2), (1, 2), (1, 1, 3)):
        with pytest.raises(ModelIncompatible, match="takes 1 x any x 2 as its input a, not"):
            network.run({"a": np.zeros(shape), "b": np.zeros(())})


def test_threads_share_the_interpreters_of_litert(photos):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    card = load_card("selfie_segmentation_256_tflite")
    network = open_network("litert", card.path, LoadOptions("cpu", threads=ThreadBudget(workers=2)))
    spec = InputSpec.from_dict(card.input)
    names = ("astronaut.png", "chelsea.png", "coffee.png")
    tensors = [prepare(cv2.imread(str(photos / name)), spec)[0] for name in names]
    (name,) = (info.name for info in network.inputs)
    expected = [next(iter(network.run({name: tensor}).values())) for tensor in tensors]
    assert not np.array_equal(expected[0], expected[1])
    wrong: list[object] = []

    def work(which: int) -> None:
        for _ in range(10):
            (found,) = network.run({name: tensors[which]}).values()
            if not np.array_equal(found, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(which % 3,)) for which in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    network.close()


# Classification ------------------------------------------------------------------------------------------------------


def classified(scores, labels=("a", "b", "c"), top=5, shown=None, **options) -> Labels:
    card = ModelCard("m", "M", "", "classification", "classification", "x", "f", "", "", "", "", {}, labels, options)
    spec = InputSpec((8, 8))
    outputs = {"other": np.zeros((1, 7, 7, 2), np.float32), "scores": np.asarray(scores, np.float32)}
    decoder = decoder_for(card, spec, {**outputs, **({"scores": np.asarray(shown)} if shown is not None else {})})
    return decoder.decode(outputs, prepare(np.zeros((4, 4, 3), np.uint8), spec)[1], top=top)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (1, 3, 1, 1), (1, 1, 1, 3)])
def test_classes_come_likeliest_first(shape):
    found = classified(np.log([0.2, 0.7, 0.1]).reshape(shape))
    assert found.labels == ["b", "a", "c"]
    assert found.confidence == pytest.approx([0.7, 0.2, 0.1], abs=1e-6)


def test_probabilities_are_told_from_logits():
    assert classified([[0.2, 0.7, 0.1]]).confidence == pytest.approx([0.7, 0.2, 0.1])
    assert classified([[0.2, 0.7, 0.1]], activation="softmax").confidence[0] == pytest.approx(0.4640, abs=1e-4)
    assert classified([[0.0, 2.0, -2.0]], activation="sigmoid").confidence == pytest.approx(
        [0.8808, 0.5, 0.1192], abs=1e-4
    )
    assert classified([[1e5, np.nan, -1e5]]).confidence[0] == pytest.approx(1)
    with pytest.raises(ModelIncompatible, match=r"options\.activation must be one of"):
        classified([[1, 2, 3]], activation="tanh")


def test_as_many_classes_as_wished_and_names_as_many_as_there_are():
    assert len(classified([[1, 2, 3]], top=2)) == 2
    assert len(classified([[1, 2, 3]], top=0)) == 0
    assert classified([[1, 2, 3]], labels=()).labels == ["2", "1", "0"]
    assert classified([[9, 1, 2, 3]]).labels == ["c", "b", "a"], "TensorFlow's background comes first and is left out"
    with pytest.raises(ModelIncompatible, match="no output of 3 class scores"):
        classified([[1, 2, 3, 4, 5]])


# Threads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [False, True])
def test_the_thread_budget_reaches_libraries_that_are_there(started, monkeypatch):
    asked: list[tuple[str, int]] = []

    class Library:
        """As TensorFlow, whose pools cannot be changed once it has started, and as PyTorch."""

        config = property(lambda self: self)
        threading = config

        def set_intra_op_parallelism_threads(self, count):
            if started:
                raise RuntimeError("Intra op parallelism cannot be modified after initialization.")
            asked.append(("inside", count))

        def set_inter_op_parallelism_threads(self, count):
            asked.append(("between", count))

        def set_num_threads(self, count):
            asked.append(("torch", count))

    before = cv2.getNumThreads()
    monkeypatch.setitem(sys.modules, "tensorflow", Library())
    monkeypatch.setitem(sys.modules, "torch", Library())
    try:
        ThreadBudget(workers=2, per_call=3).apply()
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
    assert asked == [("torch", 3)] + ([] if started else [("inside", 3), ("between", 2)])
