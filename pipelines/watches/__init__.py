"""Watches: "tell me when ..." as rules that are seen, edited and kept."""

from scenescope.pipelines.watches.book import MOST_WATCHES, WatchBook
from scenescope.pipelines.watches.rule import Trigger, WatchRule

__all__ = ["MOST_WATCHES", "Trigger", "WatchBook", "WatchRule"]
