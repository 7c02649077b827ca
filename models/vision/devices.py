"""Which devices a network could run on here, found without importing a framework."""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["cuda_devices", "devices"]

# What a build of ONNX Runtime brings in its folder, and the device that it makes possible.
_LIBRARIES = {
    "*onnxruntime_providers_tensorrt*": ("tensorrt", "TensorRT"),
    "*onnxruntime_providers_openvino*": ("openvino", "OpenVINO"),
    "DirectML.dll": ("directml", "DirectML"),
}


def devices() -> tuple[tuple[str, str], ...]:
    """Every device by the name that :class:`LoadOptions` takes, and a title: ("cuda:0", "NVIDIA H100").

    What a device is good for depends on the network's runtime; where a network then really runs, it says itself.
    """
    found = [("auto", "Automatic"), ("cpu", "CPU")]
    found += [(f"cuda:{number}", name) for number, name in enumerate(cuda_devices())]
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(("mps", "Apple GPU (MPS)"))
    spec = find_spec("onnxruntime")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "capi"
        found += [choice for pattern, choice in _LIBRARIES.items() if any(folder.glob(pattern))]
        if sys.platform == "darwin":
            found.append(("coreml", "CoreML"))
    return tuple(found)


@cache
def cuda_devices() -> tuple[str, ...]:
    """Names of the CUDA devices, asked of NVIDIA's driver itself; none without a driver."""
    try:
        driver: Any = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    names = []
    for number in range(count.value):
        device, text = ctypes.c_int(), ctypes.create_string_buffer(128)
        known = driver.cuDeviceGet(ctypes.byref(device), number) == 0 and driver.cuDeviceGetName(text, 128, device) == 0
        names.append(text.value.decode(errors="replace") if known else f"CUDA {number}")
    return tuple(names)
