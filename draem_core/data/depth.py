"""How many bits the samples of 16-bit files use: cameras of 10, 12 and 14 bits often leave the upper ones empty.

The scale must be the same for all pictures that a network sees, so it is never guessed from one of them: the
environment variable DRAEM_BIT_DEPTH sets it for the whole process, and a note tells where that seems to be missing.
"""

import os
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from draem_core.data.samples import Decoded
from draem_core.errors import ImageError

VARIABLE = "DRAEM_BIT_DEPTH"
FULL = 65535

_DEPTHS = (8, 10, 12, 14)  # that cameras have


def bit_depth() -> int:
    """Return the bits, 8 to 16, that a 16-bit sample uses where its file states nothing; 16 unless set otherwise.

    Raises ImageError where the environment variable holds no such number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return 16
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and 8 <= int(text) <= 16):
        raise ImageError(f"{VARIABLE} is '{text}', not a number of bits from 8 to 16; set it to e.g. 12, or unset it.")
    return int(text)


def by_depth(decoded: Decoded, label: str) -> tuple[Decoded, int | None]:
    """Return the samples with the white of the set depth, and what ``depth_note`` goes by.

    That is the highest sample where the depth is an open question: 16-bit, no depth stated or set. None elsewhere.
    Raises ImageError where a sample is above the set depth.
    """
    if decoded.samples.dtype != np.uint16 or decoded.white != FULL:
        return decoded, None
    depth, highest = bit_depth(), int(decoded.samples.max())
    white = 2**depth - 1
    if depth == 16:
        return decoded, highest
    if highest > white:
        raise ImageError(
            f"{label} holds values up to {highest:,}, but {VARIABLE}={depth} allows no more than {white:,}; unset it, "
            "or keep pictures of different depths apart."
        )
    return replace(decoded, white=white), None


def depth_note(highest: Iterable[int | None], holding: str) -> str | None:
    """Return a sentence where pictures that are used together stay far below white; None where nothing is odd.

    Args:
        highest: their highest samples, None where the depth is no question (see `by_depth`).
        holding: begins the sentence, as "part.png holds".
    """
    most = max((value for value in highest if value is not None), default=0)
    depth = next((bits for bits in _DEPTHS if most < 2**bits), None)
    if most == 0 or depth is None:
        return None
    return (
        f"{holding} values up to {most:,} of {FULL:,}, as {depth}-bit cameras write them, and is read too dark. "
        f"Set the environment variable {VARIABLE}={depth} and start again: then every 16-bit picture is scaled by "
        f"{2**depth - 1:,}, those to train on too."
    )
