"""The few letters that a rehearsal writes into its pictures, five dots wide and seven high."""

import numpy as np
from numpy.typing import NDArray

SPACING = 10
"""From line to line, in dots."""

_ROWS = {
    " ": "00 00 00 00 00 00 00",
    "A": "0e 11 11 1f 11 11 11",
    "E": "1f 10 10 1e 10 10 1f",
    "H": "11 11 11 1f 11 11 11",
    "L": "10 10 10 10 10 10 1f",
    "P": "1e 11 11 1e 10 10 10",
    "R": "1e 11 11 1e 14 12 11",
    "S": "0f 10 10 0e 01 01 1e",
    "T": "1f 04 04 04 04 04 04",
    "0": "0e 11 13 15 19 11 0e",
    "1": "04 0c 04 04 04 04 0e",
    "2": "0e 11 01 02 04 08 1f",
    "3": "1f 02 04 02 01 11 0e",
    "4": "02 06 0a 12 1f 02 02",
    "5": "1f 10 1e 01 01 11 0e",
    "6": "06 08 10 1e 11 11 0e",
    "7": "1f 01 02 04 08 08 08",
    "8": "0e 11 11 0e 11 11 0e",
    "9": "0e 11 11 0f 01 02 0c",
}


def written(text: str) -> NDArray[np.bool_]:
    """The text as dots, seven rows of six for each letter."""
    return np.concatenate([_letter(letter) for letter in text], axis=1)


def _letter(letter: str) -> NDArray[np.bool_]:
    rows = [int(row, 16) for row in _ROWS[letter].split()]
    return np.array([[bool(row >> (4 - dot) & 1) for dot in range(5)] + [False] for row in rows])
