"""XML, read with care and written fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from scenescope.pipelines.exchange.files import broken

__all__ = ["attribute", "element_tree", "elements", "text"]

# What XML 1.0 cannot say at all, not even as a character reference (XML 1.0, 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CARRIAGE_RETURN = {"\r": "&#13;"}
MAX_FILE_BYTES = 16_000_000


def text(value: str) -> str:
    """Text between tags; characters that XML cannot say become U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", value), _CARRIAGE_RETURN)


def attribute(value: str) -> str:
    """The value of an attribute with its quotes."""
    return quoteattr(_FORBIDDEN.sub("\ufffd", value))


@contextmanager
def _careful(path: Path) -> Iterator[None]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError

    try:
        yield
    except ParseError as error:
        raise broken(path, f"it is not whole XML ({error})") from error
    except DefusedXmlException as error:
        raise broken(
            path, "it declares a document type or entities, which no annotation needs and which can do harm"
        ) from error
    except (LookupError, ValueError) as error:
        raise broken(path, "its encoding is not known") from error


def elements(path: Path) -> Iterator[tuple[str, Any]]:
    """Every element of a file as it begins ("start") and ends ("end"), in order; entities are refused.

    Raises:
        SourceError: it is damaged, or holds what can do harm.
    """
    from defusedxml.ElementTree import iterparse

    events = iterparse(path, events=("start", "end"), forbid_dtd=True)
    while True:
        with _careful(path):
            event = next(events, None)
        if event is None:
            return
        yield event


def element_tree(path: Path) -> Any:
    """The root element of a small file.

    Raises:
        SourceError: it is damaged, too large, or holds what can do harm.
    """
    from defusedxml.ElementTree import parse

    if path.stat().st_size > MAX_FILE_BYTES:
        raise broken(path, "it is larger than any annotation of one picture")
    with _careful(path):
        return parse(path, forbid_dtd=True).getroot()
