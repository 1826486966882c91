"""The bins that traces are counted in: size classes, four a doubling, and lifetimes, powers of two."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workbench.units import KIB, MIB

IntArray = npt.NDArray[np.int64]

# The allocator's own classes to 32 KiB (native/tables/size_classes.def), and on in the same steps.
_LARGEST_BITS = 40
_TINY_BITS = 10
SIZE_BOUNDS_BYTES: IntArray = np.array(
    [8, 16, 32, 48, 64]
    + [
        (1 << bits) * eighths // 8
        for bits in range(6, _LARGEST_BITS)
        for eighths in ((10, 12, 14, 16) if bits < _TINY_BITS else (9, 11, 13, 16))
    ],
    np.int64,
)
#: Number of size classes; the last one has all that is larger.
SIZE_CLASS_COUNT = len(SIZE_BOUNDS_BYTES)

#: The part of the allocator that serves each size class.
ROUTES = np.array(["tiny", "mid", "L2.5", "big"], object)[
    np.searchsorted([KIB, 32 * KIB, MIB], SIZE_BOUNDS_BYTES, side="left")
]

LIFETIME_BIN_COUNT = 50
#: Smallest and largest lifetime of each bin: 0, 1, 2..3, 4..7 and so on.
LEAST_LIFETIME: IntArray = np.array([0, *(1 << np.arange(LIFETIME_BIN_COUNT - 1))])
MOST_LIFETIME: IntArray = np.array([*LEAST_LIFETIME[1:] - 1, (1 << (LIFETIME_BIN_COUNT - 1)) - 1])


def find_size_class(size_bytes: npt.NDArray[np.integer]) -> IntArray:
    """Number of the size class of each request."""
    found = np.searchsorted(SIZE_BOUNDS_BYTES, size_bytes, side="left")
    return np.minimum(found, SIZE_CLASS_COUNT - 1).astype(np.int64)


def find_lifetime_bin(lifetime: IntArray) -> IntArray:
    """Number of the bin of each lifetime: 0 for none, else one more than its logarithm to base 2."""
    _, exponent = np.frexp(lifetime.astype(np.float64))
    return np.clip(exponent, 0, LIFETIME_BIN_COUNT - 1).astype(np.int64)
