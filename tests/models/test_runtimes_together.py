"""One process loads and runs a model of every runtime together, in whatever order they are opened."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from importlib.util import find_spec

import pytest

from scenescope.models.vision.runtimes import RUNTIMES

pytestmark = pytest.mark.slow

# Run in a fresh process: opens what it is told in that order, runs each at once, and all again when all are open.
CHILD = """
import json, sys
import numpy as np

def tensors(runtime, path, options, layout):
    from pathlib import Path
    from scenescope.models.vision.placement import LoadOptions
    from scenescope.models.vision.runtimes import open_network
    if runtime == "torchvision":
        options = {"factory": "squeezenet1_1"}
    network = open_network(runtime, Path(path), LoadOptions("cpu"), options)
    picture = np.random.default_rng(11).random((1, 3, 32, 32), dtype=np.float32)
    if layout == "NHWC":
        picture = np.ascontiguousarray(picture.transpose(0, 2, 3, 1))
    def run():
        outputs = network.run({network.inputs[0].name: picture})
        return min(outputs.values(), key=lambda value: value.ndim).ravel().tolist()
    return run

def ultralytics():
    import torch
    from ultralytics import YOLO
    torch.manual_seed(0)
    model = YOLO("yolov8n.yaml")
    picture = np.zeros((64, 64, 3), np.uint8)
    return lambda: [len(model.predict(picture, imgsz=64, device="cpu", verbose=False))]

def transformers():
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=3)
    model = ResNetForImageClassification(config).eval()
    def run():
        with torch.inference_mode():
            return model(pixel_values=torch.ones(1, 3, 32, 32)).logits.ravel().tolist()
    return run

given = json.load(open(sys.argv[1]))
made = {"ultralytics": ultralytics, "transformers": transformers}
runs, first = {}, {}
for name in sys.argv[2].split(","):
    runs[name] = made[name]() if name in made else tensors(*given[name])
    first[name] = runs[name]()
again = {name: run() for name, run in reversed(runs.items())}
assert all(again[name] == first[name] for name in first), (first, again)
print("RESULTS " + json.dumps(first))
"""


@pytest.fixture(scope="module")
def files(tiny_networks, tmp_path_factory):
    """What the child is given: runtime, path, card options and layout by runtime."""
    import torchvision
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("together")
    weights = folder / "squeezenet.safetensors"
    save_file(torchvision.models.squeezenet1_1(weights=None).state_dict(), weights)
    given = {tiny.runtime: [tiny.runtime, str(tiny.path), tiny.options, tiny.layout] for tiny in tiny_networks}
    given["torchvision"][1] = str(weights)
    (folder / "given.json").write_text(json.dumps(given))
    return folder / "given.json"


def order(seed: int) -> list[str]:
    names = sorted(RUNTIMES)
    random.Random(seed).shuffle(names)
    return names


def test_the_orders_begin_and_end_differently():
    orders = [order(seed) for seed in SEEDS]
    assert len({names[0] for names in orders}) == len({names[-1] for names in orders}) == len(SEEDS)


SEEDS = (3, 9, 32)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_runtimes_run_in_one_process(seed, files):
    for package in {package for info in RUNTIMES.values() for package in info.packages}:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, str(files), ",".join(order(seed))],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULTS ")]
    assert done.returncode == 0, f"{order(seed)}: {done.stderr[-3000:]}"
    results = json.loads(lines[0].removeprefix("RESULTS "))
    assert set(results) == set(RUNTIMES)
    expected = results["onnxruntime"]
    for name in ("opencv", "torchscript", "torch-export", "keras", "tensorflow", "litert"):
        assert results[name] == pytest.approx(expected, abs=1e-4), name
