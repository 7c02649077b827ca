"""The network of a local model: a picture and a prompt in, words out. Lives in a process of its own."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes.torch_common import device_of, torch_device

__all__ = ["Cancelled", "Looked", "PictureWordsNetwork"]

MOST_TILE_PX = 1024
MOST_PICTURE_PIXELS = 64_000_000
_LAYERS = ("EncoderLayer", "DecoderLayer")


class Cancelled(Exception):
    """The answer is no longer wanted."""


@dataclass(frozen=True)
class Looked:
    """What an answer cost; ``cut`` when it was ended because it grew too long."""

    input_tokens: int
    output_tokens: int
    cut: bool


class PictureWordsNetwork:
    """Idefics3 (Laurencon et al., 2024), which SmolVLM is (Marafioti et al., 2025), from a folder of this computer.

    One tile a picture: cut into 17, as the processor would by itself, a caption takes eight times as long.

    Args:
        folder: as ``save_pretrained`` writes it, with weights in safetensors.
        device: "auto", "cpu", "cuda:1", ...
        threads: that it may compute with.
        tell: is told what is being done.

    Raises:
        ModelIncompatible: the weights are not whole, or it is another kind of model.
        ImportError: PyTorch or transformers is missing.
    """

    def __init__(self, folder: Path, device: str, threads: int, tell: Callable[[str], None]) -> None:
        tell("Starting PyTorch")
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        transformers: Any = import_module("transformers")
        transformers.utils.logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        tell("Reading the tokenizer")
        self._processor = transformers.AutoProcessor.from_pretrained(folder, **local)
        if not isinstance(self._processor, transformers.Idefics3Processor):
            raise ModelIncompatible(f"{folder.name} prepares pictures in a way that is not known here.")
        if not self._processor.chat_template:
            raise ModelIncompatible(f"{folder.name} has no chat template, so nobody can tell how it is asked.")
        self._tile_px = int(dict(self._processor.image_processor.max_image_size)["longest_edge"])
        if not 0 < self._tile_px <= MOST_TILE_PX:
            raise ModelIncompatible(f"{folder.name} wants pictures of {self._tile_px} pixels, which is too large.")
        place, _ = torch_device(LoadOptions(device=device))
        tell("Reading the weights")
        self._model, found = transformers.AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=_precision(torch, place),
            use_safetensors=True,
            # Named, so that no file can name code of a hub instead.
            attn_implementation="sdpa",
            output_loading_info=True,
            **local,
        )
        if wrong := sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]])):
            raise ModelIncompatible(f"{folder.name} lacks weights that its config.json promises: {wrong[0]}.")
        self._model.to(place).eval()
        self._model.generation_config = self._plain_generation(transformers)
        self.device = device_of(self._model, place)
        self._cancelled = threading.Event()
        for module in self._model.modules():
            if type(module).__name__.endswith(_LAYERS):
                module.register_forward_pre_hook(self._check)
        tell("Trying it out")
        self.look([_grey()], "Hello", 1, threading.Event(), lambda text: None)

    def look(
        self,
        pictures: Sequence[bytes],
        prompt: str,
        most_tokens: int,
        cancelled: threading.Event,
        say: Callable[[str], None],
    ) -> Looked:
        """Answer a prompt about pictures, word by word; the same again gives the same.

        Args:
            pictures: files, JPEG or PNG.
            prompt: plain text; marks that mean something to the model are taken out of it.
            most_tokens: the answer is cut after so many.
            cancelled: set it to end this at the next layer of the network.
            say: is given the text as it grows.

        Raises:
            Cancelled: it was set.
            OSError: a picture cannot be read.
        """
        import torch

        self._cancelled = cancelled
        inputs = self.prepare(pictures, prompt)
        length = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs, max_new_tokens=most_tokens, streamer=_streamer(self._processor.tokenizer, say)
            )
        count = tokens.shape[1] - length
        ended = int(tokens[0, -1]) in self._model.generation_config.eos_token_id
        return Looked(length, count, count >= most_tokens and not ended)

    def prepare(self, pictures: Sequence[bytes], prompt: str) -> Any:
        """The tensors that the network is given: every picture is one tile."""
        images = [_opened(picture) for picture in pictures]
        for mark in (*self._processor.tokenizer.get_added_vocab(), *self._processor.tokenizer.all_special_tokens):
            prompt = prompt.replace(mark, " ")
        content = [*({"type": "image"} for _ in images), {"type": "text", "text": prompt}]
        text = self._processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = self._processor(
            text=text,
            images=images,
            return_tensors="pt",
            size={"longest_edge": self._tile_px},
            do_image_splitting=False,
        )
        self._check()
        return inputs.to(self._model.device, dtype=self._model.dtype)

    def _check(self, *_: Any) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _plain_generation(self, transformers: Any) -> Any:
        """The likeliest word each time, whatever the folder's generation_config.json wishes; only its ends are kept."""
        tokenizer, given = self._processor.tokenizer, self._model.generation_config
        ends = given.eos_token_id if isinstance(given.eos_token_id, list) else [given.eos_token_id]
        known = (tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_utterance>"))
        eos = sorted({end for end in (*ends, *known) if isinstance(end, int)})
        if not eos:
            raise ModelIncompatible("Its tokenizer has no mark for the end of an answer.")
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos[0]
        return transformers.GenerationConfig(
            do_sample=False, num_beams=1, bos_token_id=tokenizer.bos_token_id, eos_token_id=eos, pad_token_id=pad
        )


def _precision(torch: Any, place: Any) -> Any:
    """The CPU has half precision in name only: it is slow there."""
    if place.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if place.type == "mps" else torch.float32


def _opened(picture: bytes) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = MOST_PICTURE_PIXELS
        return Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")).convert("RGB")


def _grey() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 48), (114, 114, 114)).save(file, "PNG")
    return file.getvalue()


def _streamer(tokenizer: Any, say: Callable[[str], None]) -> Any:
    base: Any = import_module("transformers").TextStreamer

    class Streamer(base):  # type: ignore[misc]
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                say(text)

    return Streamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
