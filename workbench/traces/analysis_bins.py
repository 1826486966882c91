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

# Which part of the allocator serves a size: its largest request, and the name.
ROUTES = ((KIB, "tiny"), (32 * KIB, "mid"), (MIB, "L2.5"), (int(SIZE_BOUNDS_BYTES[-1]), "big"))

#: Bins of lifetimes: 0, 1, 2..3, 4..7 and so on.
LIFETIME_BIN_COUNT = 50


def find_size_class(size_bytes: npt.NDArray[np.integer]) -> IntArray:
    """Number of the size class of each request."""
    found = np.searchsorted(SIZE_BOUNDS_BYTES, size_bytes, side="left")
    return np.minimum(found, SIZE_CLASS_COUNT - 1).astype(np.int64)


def name_routes() -> list[str]:
    """The part of the allocator that serves each size class."""
    limits = np.array([limit for limit, _ in ROUTES])
    return [ROUTES[index][1] for index in np.searchsorted(limits, SIZE_BOUNDS_BYTES, side="left")]


def find_lifetime_bin(lifetime: IntArray) -> IntArray:
    """Number of the bin of each lifetime: 0 for none, else one more than its logarithm to base 2."""
    _, exponent = np.frexp(lifetime.astype(np.float64))
    return np.clip(exponent, 0, LIFETIME_BIN_COUNT - 1).astype(np.int64)


def lifetime_bounds() -> tuple[IntArray, IntArray]:
    """Smallest and largest lifetime of each bin."""
    least = np.concatenate([[0], 2 ** np.arange(LIFETIME_BIN_COUNT - 1, dtype=np.int64)])
    most = np.concatenate([[0], 2 ** np.arange(1, LIFETIME_BIN_COUNT, dtype=np.int64) - 1])
    return least, most
