"""Memory touched before a run, so that it is warm for whoever comes.

On a virtual machine free pages go back to the host after some seconds, and the first touch of such a
page costs up to a thousand times what it costs afterwards: whoever runs first would look slow.
"""

from __future__ import annotations

import mmap

import numpy as np
import psutil

from workbench.units import MIB

#: Touched before a run of which nothing is known yet.
FIRST_WARM_BYTES = 256 * MIB
_MARGIN = 1.25
_LEAST_BYTES = 32 * MIB
_MOST_SHARE = 0.5


def choose_warm_bytes(peak_resident_bytes: int | None) -> int:
    """How much to touch before a run whose like had this peak; None: none is known.

    At most half of the memory that is available now.
    """
    wanted = FIRST_WARM_BYTES if peak_resident_bytes is None else int(peak_resident_bytes * _MARGIN)
    available_bytes = int(psutil.virtual_memory().available * _MOST_SHARE)
    return min(max(wanted, _LEAST_BYTES), available_bytes)


def touch_memory(size_bytes: int) -> int:
    """Map memory, write to each of its pages, and give it back to the system.

    Returns
    -------
    int
        Bytes that were touched.
    """
    if size_bytes <= 0:
        return 0
    with mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as mapping:
        pages = np.frombuffer(mapping, dtype=np.uint8)
        pages[:: mmap.PAGESIZE] = 1
        del pages  # or the mapping could not be closed
    return size_bytes
