"""What can be fetched: the entries of ``resources/catalogue``, and what the user types instead."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from scenescope.models.cards import ModelCard, card_from

__all__ = ["HUB_SCHEME", "RUNTIME_OF_SUFFIX", "card_of_address", "entries", "hub_id", "known_name"]

HUB_SCHEME = "hf://"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

RUNTIME_OF_SUFFIX = {
    ".onnx": "onnxruntime",
    ".tflite": "litert",
    ".keras": "keras",
    ".h5": "keras",
    ".pt2": "torch-export",
    ".safetensors": "torchvision",
    ".pt": "ultralytics",
}


@cache
def entries() -> tuple[ModelCard, ...]:
    """Cards of all that is listed, none of it on this computer yet; sizes are about right, the server tells them well.

    A file holds ``[defaults]`` for all of its ``[models.NAME]``; "{name}" in a value stands for the name.
    """
    folder = files("scenescope.resources").joinpath("catalogue")
    found = []
    for path in sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        defaults = {"sha256": "", "summary": "", "origin": "downloaded", **content["defaults"]}
        for name, entry in content["models"].items():
            values = {key: _filled(value, name) for key, value in {**defaults, **entry}.items()}
            found.append(card_from(name, values))
    return tuple(found)


def _filled(value: object, name: str) -> object:
    return value.replace("{name}", name) if isinstance(value, str) else value


def known_name(name: str) -> ModelCard | None:
    """The entry called so, or the one with this hub id; None when there is none."""
    wanted = {name, f"{HUB_SCHEME}{name}", f"{name}.pt"}
    return next((card for card in entries() if card.name == name or card.url in wanted or card.file in wanted), None)


def hub_id(text: str, hub: str = "https://huggingface.co") -> str:
    """The hub id that a text means: "owner/name", "hf://owner/name" or the address of its page; "" when it is none."""
    text = text.strip().removeprefix(HUB_SCHEME)
    if text.startswith(f"{hub.rstrip('/')}/"):
        text = text[len(hub.rstrip("/")) + 1 :].strip("/")
        text = text.removesuffix("/tree/main")
    return text if _HUB_ID.fullmatch(text) and ".." not in text else ""


def card_of_address(address: str) -> ModelCard:
    """What is known of a file before anybody has looked at it: its name, and by its ending perhaps a runtime."""
    try:
        file = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:  # not an address; whoever asks there will say so
        file = ""
    file = re.sub(r"[^\w.-]", "_", file).lstrip(".") or "model"
    if file.endswith((".toml", ".json")) or file == "lock":
        file = f"model_{file}"  # names of our own files beside it
    stem, dot, suffix = file.rpartition(".")
    return ModelCard(
        name=stem or file,
        title=file,
        summary="",
        task="",
        architecture="",
        runtime=RUNTIME_OF_SUFFIX.get(f"{dot}{suffix}".lower(), ""),
        file=file,
        sha256="",
        licence="",
        source=address,
        upstream="",
        origin="downloaded",
        url=address,
    )
