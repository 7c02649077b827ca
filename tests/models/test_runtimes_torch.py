"""PyTorch's devices, half precision and compiling; Keras on other backends than TensorFlow."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from scenescope.models.cards import load_card
from scenescope.models.errors import ModelIncompatible, RuntimeMissing
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import open_network
from scenescope.models.vision.runtimes.torch_common import torch_device

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch", reason="PyTorch is not installed")

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
PICTURE = np.random.default_rng(11).random((1, 3, 32, 32), dtype=np.float32)


@pytest.mark.parametrize(
    ("wish", "count", "mps", "device", "reason"),
    [
        ("auto", 0, False, "cpu", ""),
        ("auto", 2, False, "cuda:0", ""),
        ("auto", 0, True, "mps", ""),
        ("cpu", 2, True, "cpu", ""),
        ("cuda", 2, False, "cuda:0", ""),
        ("cuda:1", 2, False, "cuda:1", ""),
        ("cuda:2", 2, False, "cpu", "there are 2 CUDA devices here"),
        ("cuda:1", 1, False, "cpu", "there is 1 CUDA device here"),
        ("cuda", 0, True, "cpu", "CUDA"),
        ("mps", 0, False, "cpu", "PyTorch finds no Apple GPU here"),
        ("mps", 0, True, "mps", ""),
        ("openvino", 1, True, "cpu", "PyTorch has no device 'openvino'"),
    ],
)
def test_a_wish_becomes_a_device(wish, count, mps, device, reason, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    found, why = torch_device(LoadOptions(wish))
    assert str(found) == device
    assert reason in why
    assert bool(reason) == bool(why)


def test_compiling_changes_the_speed_not_the_answer(tiny_torch_files, monkeypatch):
    # The compiler in front traces as ever; the one behind, which needs a C++ compiler and a minute, is left out.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    for tiny in tiny_torch_files[1:]:
        plain = open_network(tiny.runtime, tiny.path, LoadOptions("cpu"), tiny.options)
        compiled = open_network(tiny.runtime, tiny.path, LoadOptions("cpu", compiled=True), tiny.options)
        (name,) = (info.name for info in plain.inputs)
        for _ in range(2):
            for one, other in zip(
                plain.run({name: PICTURE}).items(), compiled.run({name: PICTURE}).items(), strict=True
            ):
                assert one[0] == other[0]
                assert np.abs(one[1] - other[1]).max() < 1e-5
        assert compiled.placement.detail == "compiled"
        assert compiled.placement.problem == ""


def test_what_cannot_be_compiled_runs_all_the_same_and_says_so(tiny_torch_files, monkeypatch):
    def no_compiler(module):
        def run(*tensors):
            raise RuntimeError("no C++ compiler was found\nat all")

        return run

    monkeypatch.setattr(torch, "compile", no_compiler)
    tiny = tiny_torch_files[1]
    network = open_network(tiny.runtime, tiny.path, LoadOptions("cpu", compiled=True))
    for _ in range(2):
        assert network.run({network.inputs[0].name: PICTURE})
    assert network.placement.problem == "Runs on CPU: torch.compile failed (no C++ compiler was found)"
    assert network.placement.detail == ""


def test_half_and_bfloat16_outputs_come_back_as_float32(tmp_path):
    class Halves(torch.nn.Module):
        def forward(self, x):
            return {"half": x.half(), "brain": x.bfloat16(), "whole": x.long()}

    torch.export.save(torch.export.export(Halves(), (torch.ones(2, 2),)), tmp_path / "halves.pt2")
    network = open_network("torch-export", tmp_path / "halves.pt2")
    dtypes = {name: value.dtype.name for name, value in network.run({"x": np.ones((2, 2), np.float32)}).items()}
    assert dtypes == {"half": "float32", "brain": "float32", "whole": "int64"}


# Run in a fresh process, since Keras keeps the backend with which it was first imported.
KERAS = """
import json, sys
from pathlib import Path
import numpy as np
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import open_network
picture = np.random.default_rng(11).random((1, 3, 32, 32), dtype=np.float32).transpose(0, 2, 3, 1)
network = open_network("keras", Path(sys.argv[1]), LoadOptions("cpu"))
outputs = network.run({network.inputs[0].name: picture})
assert [info.name for info in network.outputs] == list(outputs)
print(json.dumps([outputs["means"].ravel().tolist(), network.placement.detail, network.placement.device]))
"""


@pytest.mark.parametrize(("backend", "package", "title"), [("torch", "torch", "PyTorch"), ("jax", "jax", "JAX")])
def test_keras_runs_on_other_backends(backend, package, title, tiny_tensorflow_files, tiny_onnx, monkeypatch):
    if find_spec(package) is None:
        pytest.skip(f"{title} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    path = next(tiny.path for tiny in tiny_tensorflow_files if tiny.path.suffix == ".keras")
    done = subprocess.run([sys.executable, "-c", KERAS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    means, detail, device = json.loads(done.stdout.splitlines()[-1])
    expected = open_network("onnxruntime", tiny_onnx).run({"picture": PICTURE})["means"][0]
    assert means == pytest.approx(expected.tolist(), abs=1e-4)
    assert (detail, device) == (f"{title} backend", "CPU")


def test_keras_without_its_backend_says_so(tiny_tensorflow_files, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    if find_spec("jax") is not None:
        pytest.skip("JAX is installed")
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(tiny_tensorflow_files[1].path)], capture_output=True, text=True, check=False
    )
    assert "RuntimeMissing: Keras runs on TensorFlow, PyTorch or JAX, and jax cannot be imported." in done.stderr


# On a GPU ------------------------------------------------------------------------------------------------------------


@needs_cuda
def test_pytorch_networks_run_on_cuda(tiny_torch_files, tiny_onnx):
    expected = open_network("onnxruntime", tiny_onnx, LoadOptions("cpu")).run({"picture": PICTURE})
    for tiny in tiny_torch_files:
        for half, tolerance in ((False, 1e-3), (True, 2e-2)):
            load = LoadOptions("cuda:0", strict=True, half=half)
            network = open_network(tiny.runtime, tiny.path, load, tiny.options)
            assert network.placement.device == "CUDA:0"
            assert network.placement.problem == ""
            assert network.placement.detail == ("half precision" if half else "")
            assert network.torch_device == "cuda:0"
            for tensor in (PICTURE, torch.from_numpy(PICTURE).cuda()):
                areas, means = network.run({network.inputs[0].name: tensor}).values()
                assert areas.dtype == np.float32
                assert np.abs(areas - expected["areas"]).max() < tolerance, tiny
                assert np.abs(means - expected["means"]).max() < tolerance, tiny
            network.close()


@needs_cuda
def test_a_cuda_device_too_many_is_refused(tiny_torch_files):
    tiny = tiny_torch_files[0]
    wish = f"cuda:{torch.cuda.device_count()}"
    assert "CUDA device" in open_network(tiny.runtime, tiny.path, LoadOptions(wish)).placement.problem
    with pytest.raises(RuntimeMissing):
        open_network(tiny.runtime, tiny.path, LoadOptions(wish, strict=True))


@needs_cuda
def test_the_bundled_networks_on_cuda(bus, capsys):
    image = cv2.imread(str(bus))
    for name, expected in (("mobilenet_v2_imagenet1k_v1", "minibus"), ("nanodet_g_416_coco", "bus")):
        for half in (False, True):
            model = open_model(load_card(name))
            model.load(LoadOptions("cuda", half=half))
            times = []
            for _ in range(30):
                start = time.perf_counter()
                (found,) = model.infer([image])
                times.append(1000 * (time.perf_counter() - start))
            placement = model.placement()
            assert expected in found.labels
            if name.startswith("mobilenet"):
                assert (placement.device, placement.problem) == ("CUDA:0", "")
            with capsys.disabled():
                where = f"{placement.device} {placement.detail}".strip()
                print(f"\n{name} on {where}: {sorted(times)[15]:.2f} ms a picture {placement.problem}")
            model.close()


@needs_cuda
def test_memory_that_runs_out_is_told_and_passes(tmp_path):
    class Greedy(torch.nn.Module):
        def forward(self, x):
            return x.new_zeros((1 << 42,)).sum() + x.sum()

    torch.export.save(torch.export.export(Greedy(), (torch.ones(2),)), tmp_path / "greedy.pt2")
    network = open_network("torch-export", tmp_path / "greedy.pt2", LoadOptions("cuda"))
    with pytest.raises(Exception, match="not enough memory") as caught:
        network.run({"x": np.ones(2, np.float32)})
    assert not isinstance(caught.value, ModelIncompatible)
    assert not caught.value.permanent
