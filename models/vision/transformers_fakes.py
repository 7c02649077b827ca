"""Tiny networks of transformers with seeded random weights, one of every kind, written as model folders.

Nothing is downloaded: configurations are made here, and the tokenizers have a few words.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from scenescope.models.cards import ModelCard

__all__ = ["KINDS", "LABELS", "WORDS", "tiny_card"]

WORDS = ("a", "person", "cat", "bus", "red", "photo", "of", "this", "is", "dog")
LABELS = {0: "person", 1: "bus", 2: "cat"}
_DETR = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 9,
}  # fmt: skip
_SIZE = {"height": 64, "width": 64}


def _resnet(t: Any, **changes: Any) -> Any:
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"], **changes}
    return t.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic", **stages
    )


def _swin(t: Any) -> Any:
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    return t.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=4, **stages
    )


def _detr(t: Any) -> tuple[Any, Any]:
    config = t.DetrConfig(**_DETR, backbone_config=_resnet(t, out_features=["stage4"]))
    return config, t.DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})


def _conditional_detr(t: Any) -> tuple[Any, Any]:
    config = t.ConditionalDetrConfig(**_DETR, backbone_config=_resnet(t, out_features=["stage4"]))
    return config, t.ConditionalDetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})


def _deformable_detr(t: Any) -> tuple[Any, Any]:
    config = t.DeformableDetrConfig(
        **_DETR, backbone_config=_resnet(t, out_features=["stage2", "stage3", "stage4"]), num_feature_levels=3
    )
    return config, t.DeformableDetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})


def _rt_detr(t: Any) -> tuple[Any, Any]:
    backbone = t.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = t.RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[16, 24, 32], encoder_ffn_dim=32,
        encoder_attention_heads=2, d_model=32, num_queries=9, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32,
        decoder_layers=1, decoder_attention_heads=2, num_denoising=0,
    )  # fmt: skip
    return config, t.RTDetrImageProcessor(size=_SIZE)


def _yolos(t: Any) -> tuple[Any, Any]:
    config = t.YolosConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[64, 96],
        num_detection_tokens=9,
    )  # fmt: skip
    return config, t.YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128})


def _vit(t: Any) -> tuple[Any, Any]:
    config = t.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=64
    )
    return config, t.ViTImageProcessor(size=_SIZE)


def _segformer(t: Any) -> tuple[Any, Any]:
    config = t.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16
    )
    return config, t.SegformerImageProcessor(size=_SIZE)


def _mask2former(t: Any) -> tuple[Any, Any]:
    config = t.Mask2FormerConfig(
        backbone_config=_swin(t), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=32, num_queries=6,
    )  # fmt: skip
    return config, t.Mask2FormerImageProcessor(size=_SIZE)


def _maskformer(t: Any) -> tuple[Any, Any]:
    config = t.MaskFormerConfig(
        fpn_feature_size=32, mask_feature_size=32, backbone_config=_swin(t), decoder_config=t.DetrConfig(**_DETR)
    )
    return config, t.MaskFormerImageProcessor(size=_SIZE)


def _dpt(t: Any) -> tuple[Any, Any]:
    config = t.DPTConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=64,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16,
    )  # fmt: skip
    return config, t.DPTImageProcessor(size=_SIZE)


def _glpn(t: Any) -> tuple[Any, Any]:
    config = t.GLPNConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16
    )
    return config, t.GLPNImageProcessor(size_divisor=32)


def _depth_anything(t: Any) -> tuple[Any, Any]:
    backbone = t.Dinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = t.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16,
        head_hidden_size=8, depth_estimation_type="metric", max_depth=20,
    )  # fmt: skip
    return config, t.DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True)


_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"


def _clip_tokenizer(t: Any) -> Any:
    """Words as they are: byte-pair encoding with a merge for every beginning of every word."""
    merges: list[tuple[str, ...]] = []
    pieces = set()
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append(tuple(parts[:2]))
            parts = ["".join(parts[:2]), *parts[2:]]
            pieces.add(parts[0])
    letters = [chr(i) for i in range(ord("a"), ord("z") + 1)]
    tokens = [".", ".</w>", *letters, *(f"{c}</w>" for c in letters), *sorted(pieces)]
    # The marks have the highest numbers: the networks look for the end of a text by that.
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))} | {_BEGIN: 198, _END: 199}
    return t.CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=16)


def _bert_tokenizer(t: Any) -> Any:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *WORDS]
    return t.BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})


_CLIP_TEXT = {
    "vocab_size": 200, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "max_position_embeddings": 16, "bos_token_id": 198, "eos_token_id": 199, "pad_token_id": 199,
}  # fmt: skip
_CLIP_VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
}


def _clip(t: Any) -> tuple[Any, Any]:
    config = t.CLIPConfig(text_config=_CLIP_TEXT, vision_config=_CLIP_VISION, projection_dim=16)
    images = t.CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=_SIZE)
    return config, t.CLIPProcessor(images, _clip_tokenizer(t))


def _siglip(t: Any) -> tuple[Any, Any]:
    text = {**_CLIP_TEXT, "max_position_embeddings": 64}
    config = t.SiglipConfig(text_config=text, vision_config=_CLIP_VISION)
    return config, t.SiglipProcessor(t.SiglipImageProcessor(size=_SIZE), _bert_tokenizer(t))


def _owlvit(t: Any) -> tuple[Any, Any]:
    config = t.OwlViTConfig(text_config=_CLIP_TEXT, vision_config=_CLIP_VISION, projection_dim=32)
    return config, t.OwlViTProcessor(t.OwlViTImageProcessor(size=_SIZE), _clip_tokenizer(t))


def _grounding_dino(t: Any) -> tuple[Any, Any]:
    text = {
        "model_type": "bert", "vocab_size": 30, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 300,
    }  # fmt: skip
    config = t.GroundingDinoConfig(
        **_DETR, backbone_config=_resnet(t, out_features=["stage2", "stage3", "stage4"]), text_config=text,
        num_feature_levels=3, max_text_len=16,
    )  # fmt: skip
    images = t.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    return config, t.GroundingDinoProcessor(images, _bert_tokenizer(t))


# Maker of configuration and processor, given the library; class of the network; task of its card.
KINDS: dict[str, tuple[Callable[[Any], tuple[Any, Any]], str, str]] = {
    "detr": (_detr, "DetrForObjectDetection", "detection"),
    "conditional_detr": (_conditional_detr, "ConditionalDetrForObjectDetection", "detection"),
    "deformable_detr": (_deformable_detr, "DeformableDetrForObjectDetection", "detection"),
    "rt_detr": (_rt_detr, "RTDetrForObjectDetection", "detection"),
    "yolos": (_yolos, "YolosForObjectDetection", "detection"),
    "vit": (_vit, "ViTForImageClassification", "classification"),
    "segformer": (_segformer, "SegformerForSemanticSegmentation", "semantic-segmentation"),
    "mask2former": (_mask2former, "Mask2FormerForUniversalSegmentation", "instance-segmentation"),
    "maskformer": (_maskformer, "MaskFormerForInstanceSegmentation", "instance-segmentation"),
    "dpt": (_dpt, "DPTForDepthEstimation", "depth"),
    "glpn": (_glpn, "GLPNForDepthEstimation", "depth"),
    "depth_anything": (_depth_anything, "DepthAnythingForDepthEstimation", "depth"),
    "clip": (_clip, "CLIPModel", "zero-shot-classification"),
    "siglip": (_siglip, "SiglipModel", "zero-shot-classification"),
    "owlvit": (_owlvit, "OwlViTForObjectDetection", "zero-shot-detection"),
    "grounding_dino": (_grounding_dino, "GroundingDinoForObjectDetection", "zero-shot-detection"),
}


def tiny_card(kind: str, folder: Path) -> ModelCard:
    """Write the model folder of a tiny network into ``folder``, and the card for it.

    Args:
        kind: a key of :data:`KINDS`.
        folder: that it becomes a folder in.
    """
    import torch

    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    maker, network, task = KINDS[kind]
    config, processor = maker(transformers)
    if task in ("detection", "classification") or task.endswith("segmentation"):
        config.id2label, config.label2id = LABELS, {name: i for i, name in LABELS.items()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        getattr(transformers, network)(config).eval().save_pretrained(folder / kind)
    processor.save_pretrained(folder / kind)
    return ModelCard(
        name=kind, title=f"Tiny {kind}", summary="Random weights.", task=task, architecture=kind,
        runtime="transformers", file=kind, sha256="", licence="", source="", upstream="", origin="local", folder=folder,
    )  # fmt: skip
