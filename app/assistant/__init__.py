"""The assistant: describes the scene and answers about it. By rules: in words only, without a model."""

from scenescope.app.assistant.controller import MAX_MESSAGES, Assistant
from scenescope.app.assistant.parts import Parts, facts_of

__all__ = ["MAX_MESSAGES", "Assistant", "Parts", "facts_of"]
