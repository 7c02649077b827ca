"""What SavedModels and Keras on TensorFlow share: the device, and TensorFlow's claim on memory."""

from __future__ import annotations

import contextlib
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from scenescope.models.vision.placement import LoadOptions

__all__ = ["before_tensorflow", "device_name", "tensorflow_device"]


def before_tensorflow() -> None:
    """Call this before TensorFlow is first imported, or Keras, which imports it.

    TensorFlow and Triton, a part of PyTorch on Linux, both carry LLVM. When Triton is loaded second, LLVM finds its
    options registered twice and aborts the process ("Option 'bitcode-mdindex-threshold' registered more than once",
    TensorFlow 2.21 with Triton 3); when it is loaded first, nothing happens.
    """
    if find_spec("triton") is not None and "tensorflow" not in sys.modules:
        with contextlib.suppress(Exception):
            import_module("triton")


def tensorflow_device(load: LoadOptions) -> tuple[str, str]:
    """TensorFlow's name of the device for a wish, and why it is another one than was wished; empty when it is not.

    "auto" is the first GPU, then the CPU. TensorFlow would take all memory of all GPUs: it is told to take what it
    needs, since other runtimes share them.
    """
    import tensorflow as tf

    load.threads.apply()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Too late, and harmless, once TensorFlow has started on it.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    name, _, number = load.device.lower().partition(":")
    if name == "auto":
        return ("/GPU:0" if gpus else "/CPU:0"), ""
    if name == "cpu":
        return "/CPU:0", ""
    index = int(number) if number.isdigit() else 0
    if name not in ("cuda", "mps"):
        return "/CPU:0", f"TensorFlow has no device '{load.device}'"
    if not gpus:
        built = tf.test.is_built_with_gpu_support()
        return "/CPU:0", "TensorFlow finds no GPU here" if built else "this build of TensorFlow is without GPU support"
    if index >= len(gpus):
        return "/CPU:0", f"TensorFlow finds {len(gpus)} GPU{'s' * (len(gpus) > 1)} here"
    return f"/GPU:{index}", ""


def device_name(full: Any) -> str:
    """As a placement names it: "CUDA:0" for "/job:localhost/replica:0/task:0/device:GPU:0"."""
    import tensorflow as tf

    found = re.search(r"(CPU|GPU):(\d+)$", str(full))
    if found is None:
        return "CPU"
    kind = "CUDA" if tf.test.is_built_with_cuda() else "MPS"
    return "CPU" if found[1] == "CPU" else f"{kind}:{found[2]}" if kind == "CUDA" else kind
