"""Models that look at pictures, with seeded random weights, written as model folders; and a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["CHAT_TEMPLATE", "SHAPES", "ByHand", "write_model"]

CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""SmolVLM's way of asking."""

_MARKS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<global-img>",
    "<end_of_utterance>",
)  # fmt: skip

# Sizes of the parts: of the tiny one as small as they go, of the other those of SmolVLM-256M.
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "vision": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                   "image_size": 64, "patch_size": 8},
        "text": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
                 "num_key_value_heads": 1},
        "words": 512,
    },
    "256M": {
        "vision": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
                   "image_size": 512, "patch_size": 16},
        "text": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
                 "num_key_value_heads": 3},
        "words": 49_280,
    },
}  # fmt: skip
SCALE = 4


def write_model(folder: Path, shape: str = "tiny", seed: int = 0) -> Path:
    """Write a model folder; its answers are words without sense, the same for the same seed.

    Args:
        folder: made, if it is not there.
        shape: a key of :data:`SHAPES`.
        seed: of the weights.
    """
    import torch

    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    sizes = SHAPES[shape]
    tokenizer = _tokenizer(transformers, sizes["words"])
    mark = tokenizer.convert_tokens_to_ids
    tile = sizes["vision"]["image_size"]
    config = transformers.Idefics3Config(
        vision_config=sizes["vision"],
        text_config={
            "model_type": "llama", **sizes["text"], "vocab_size": len(tokenizer), "max_position_embeddings": 8192,
            "pad_token_id": mark("<|im_end|>"), "bos_token_id": mark("<|im_start|>"),
            "eos_token_id": mark("<end_of_utterance>"),
        },
        image_token_id=mark("<image>"),
        scale_factor=SCALE,
    )  # fmt: skip
    edge = {"longest_edge": tile}
    processor = transformers.Idefics3Processor(
        # As SmolVLM ships it: told nothing else, it cuts a picture into tiles.
        transformers.Idefics3ImageProcessor(size={"longest_edge": 4 * tile}, max_image_size=edge),
        tokenizer,
        image_seq_len=(tile // sizes["vision"]["patch_size"]) ** 2 // SCALE**2,
        chat_template=CHAT_TEMPLATE,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.Idefics3ForConditionalGeneration(config).to(torch.bfloat16).eval()
    model.generation_config = transformers.GenerationConfig(eos_token_id=mark("<end_of_utterance>"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer(transformers: Any, count: int) -> Any:
    """Bytes, and as many words as are wanted, which are never read but often said."""
    tokenizers: Any = import_module("tokenizers")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [f"Ġword{number}" for number in range(count - len(letters) - len(_MARKS))]
    vocabulary = {token: number for number, token in enumerate([*letters, *words])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(list(_MARKS))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>"
    )


@dataclass
class TimerByHand:
    """A timer whose time is up when somebody calls ``call``."""

    after_s: float
    call: Callable[[], None]
    state: str = "made"

    def start(self) -> None:
        """Let the time run."""
        self.state = "running"

    def cancel(self) -> None:
        """Do nothing when it is up."""
        self.state = "cancelled"

    def join(self, timeout: float | None = None) -> None:
        """It has no thread."""


class ByHand:
    """A clock that stands still until ``now_s`` is changed, and the timers that were made."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[TimerByHand] = []

    def __call__(self) -> float:
        """What time it is."""
        return self.now_s

    def timer(self, after_s: float, call: Callable[[], None]) -> TimerByHand:
        """Make one."""
        self.timers.append(made := TimerByHand(after_s, call))
        return made
