"""What a repository of a model hub offers, asked with the two addresses that every such hub serves.

``/api/models/OWNER/NAME?blobs=true`` lists the files with their sizes and, for large ones, their sha256;
``/OWNER/NAME/resolve/REVISION/FILE`` is the file. Documented at https://huggingface.co/docs/hub/api. The library
``huggingface_hub`` comes with transformers only, cannot be stopped in the middle, and keeps a cache of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.entries import HUB_SCHEME
from scenescope.models.catalogue.offers import Offer, RemoteFile
from scenescope.models.catalogue.risk import risk_of_name
from scenescope.models.errors import DownloadFailed

__all__ = ["HUB_FOLDER", "hub_card", "hub_offer", "listing_url"]

HUB_FOLDER = "model"
"""The folder, beside the card, that a repository's files go to."""

# Weights without code, and the texts that go with them. Never pickles where there is anything else, never Python.
_TEXTS = (".json", ".txt", ".model", ".jinja")
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")

_TASKS = {
    "object-detection": "detection",
    "zero-shot-object-detection": "zero-shot-detection",
    "image-classification": "classification",
    "zero-shot-image-classification": "zero-shot-classification",
    "depth-estimation": "depth",
    "keypoint-detection": "pose",
    "mask-generation": "instance-segmentation",
}


def listing_url(endpoint: str, repository: str) -> str:
    """Where the hub tells about a repository."""
    return f"{endpoint.rstrip('/')}/api/models/{quote(repository)}?blobs=true"


def hub_card(repository: str) -> ModelCard:
    """What is known of a repository before anybody has asked the hub."""
    owner, _, name = repository.partition("/")
    return ModelCard(
        name=name,
        title=name,
        summary="",
        task="",
        architecture="",
        runtime="transformers",
        file=HUB_FOLDER,
        sha256="",
        licence="",
        source=f"https://huggingface.co/{repository}",
        upstream=owner,
        origin="downloaded",
        url=f"{HUB_SCHEME}{repository}",
    )


def hub_offer(card: ModelCard, endpoint: str, listing: dict[str, Any]) -> Offer:
    """What a repository holds for us.

    Args:
        card: what is known already; what the hub tells fills the gaps.
        endpoint: address of the hub.
        listing: its answer at :func:`listing_url`.

    Raises:
        DownloadFailed: it may not be had, or holds no weights that anything here can open.
    """
    repository = card.url.removeprefix(HUB_SCHEME)
    if listing.get("gated"):
        raise DownloadFailed(
            f"{repository} is given only to those who have accepted its terms.",
            hint=f"Accept them at {card.source}, download the files there, and add their folder.",
            permanent=True,
        )
    siblings = [entry for entry in listing.get("siblings", []) if _plain(str(entry.get("rfilename", "")))]
    chosen = _chosen([entry["rfilename"] for entry in siblings])
    if not chosen:
        raise DownloadFailed(
            f"{repository} holds no weights in a format that can be used here.",
            hint="Look for a repository with .safetensors files.",
            permanent=True,
        )
    revision = str(listing.get("sha") or "main")
    base = f"{endpoint.rstrip('/')}/{quote(repository)}/resolve/{quote(revision)}"
    files = tuple(
        RemoteFile(
            f"{card.file}/{entry['rfilename']}",
            f"{base}/{quote(entry['rfilename'])}",
            int((entry.get("lfs") or {}).get("size") or entry.get("size") or 0),
            str((entry.get("lfs") or {}).get("sha256") or ""),
        )
        for entry in siblings
        if entry["rfilename"] in chosen
    )
    licence = str((listing.get("cardData") or {}).get("license") or "")
    config = listing.get("config") or {}
    known = replace(
        card,
        task=card.task or _task(str(listing.get("pipeline_tag") or ""), config),
        architecture=card.architecture or str(config.get("model_type") or ""),
        licence=card.licence or licence,
        source=f"{card.source} at {revision[:12]}",
    )
    risky = next((name for name in chosen if risk_of_name(name)), "")
    return Offer(known, files, f"{risky}: {risk_of_name(risky)}" if risky else "")


def _plain(name: str) -> bool:
    """Only files at the top: folders hold other formats of the same, and no path can lead outside."""
    return bool(re.fullmatch(r"[\w][\w .+-]*", name))


def _chosen(names: Sequence[str]) -> list[str]:
    """The files to fetch: safetensors, or pickles where there are none, with the texts; none without weights."""
    weights = [name for name in names if _WEIGHTS.fullmatch(name)]
    weights = weights or [name for name in names if name.endswith(".safetensors")]
    weights = weights or [name for name in names if re.fullmatch(r"pytorch_model(-\d+-of-\d+)?\.bin", name)]
    skipped = "pytorch_model.bin.index.json" if any(name.endswith(".safetensors") for name in weights) else ""
    texts = [name for name in names if name.endswith(_TEXTS) and name != skipped]
    return [*texts, *weights] if weights else []


def _task(tag: str, config: dict[str, Any]) -> str:
    if tag != "image-segmentation":
        return _TASKS.get(tag, "")
    architectures = " ".join(map(str, config.get("architectures") or ()))
    return "semantic-segmentation" if "Semantic" in architectures else "instance-segmentation"
