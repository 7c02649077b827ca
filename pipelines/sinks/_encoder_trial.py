"""Tries one encoder on a few pictures: run as a process of its own, whose exit code is 0 when it works."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from scenescope.pipelines.sinks._encoder import TRIED_SIZE_WH, Picture, PictureEncoder

__all__ = ["works"]

PICTURES = 5


def works(name: str) -> bool:
    """True when the encoder makes a packet of every picture, the first one a key frame."""
    width, height = TRIED_SIZE_WH
    encoder = PictureEncoder(name, TRIED_SIZE_WH, 30.0, Fraction(1, 30))
    packets = []
    for number in range(PICTURES):
        grey = np.full((height * 3 // 2, width), 40 * number, np.uint8)
        packets += encoder.encode(Picture(grey, number / 30), number)
    packets += encoder.finish()
    return [packet.pts for packet in packets] == list(range(PICTURES)) and packets[0].is_keyframe


if __name__ == "__main__":
    sys.exit(0 if works(sys.argv[1]) else 1)
