"""The assistant: describes the scene and answers about it. By rules: in words only, without a model."""

from scenescope.app.assistant.controller import MAX_MESSAGES, Assistant, facts_of

__all__ = ["MAX_MESSAGES", "Assistant", "facts_of"]
