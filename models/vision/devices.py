"""Which devices a network could run on here, found without importing a framework."""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from typing import Any

__all__ = ["cuda_devices", "devices"]

_PROVIDERS = {
    "TensorrtExecutionProvider": ("tensorrt", "TensorRT"),
    "OpenVINOExecutionProvider": ("openvino", "OpenVINO"),
    "CoreMLExecutionProvider": ("coreml", "CoreML"),
    "DmlExecutionProvider": ("directml", "DirectML"),
}


def devices() -> tuple[tuple[str, str], ...]:
    """Every device by the name that :class:`LoadOptions` takes, and a title: ("cuda:0", "NVIDIA H100").

    What a device is good for depends on the network's runtime; where a network then really runs, it says itself.
    """
    found = [("auto", "Automatic"), ("cpu", "CPU")]
    found += [(f"cuda:{number}", name) for number, name in enumerate(cuda_devices())]
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(("mps", "Apple GPU (MPS)"))
    try:
        import onnxruntime

        available = onnxruntime.get_available_providers()
    except ImportError:
        available = []
    return tuple(found + [choice for provider, choice in _PROVIDERS.items() if provider in available])


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
