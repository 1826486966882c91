"""Phases of a trace: stretches in which the program asks for the same mix of sizes.

The trace is cut into bins of as many events; each bin's mix is its allocations by size class. Neighbours
that are most alike are merged, again and again, until those left differ: bottom-up segmentation (Keogh,
Chu, Hart and Pazzani, "An online algorithm for segmenting time series", 2001), with the Jensen-Shannon
divergence of two mixes (Lin, 1991) as their difference.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Two mixes further apart than this, in bits, are different phases: 0 is the same, 1 nothing in common.
LEAST_DIFFERENCE_BITS = 0.08
#: A phase is no shorter than this share of all bins.
LEAST_SHARE = 0.02
MOST_PHASES = 12


def find_phases(
    mix: npt.NDArray[np.number],
    least_difference_bits: float = LEAST_DIFFERENCE_BITS,
    most_phases: int = MOST_PHASES,
) -> list[tuple[int, int]]:
    """First bin, and the bin after the last, of every phase.

    Parameters
    ----------
    mix : array, shape (bins, classes)
        Allocations in each bin, by size class.
    least_difference_bits : float
        Neighbours differ by at least so much.
    most_phases : int
        The most alike are merged until there are no more.
    """
    counts = list(np.asarray(mix, np.float64))
    bounds = [(index, index + 1) for index in range(len(counts))]
    least_length = max(1, int(len(counts) * LEAST_SHARE))
    differences = [difference_bits(a, b) for a, b in itertools.pairwise(counts)]
    while differences:
        index = int(np.argmin(differences))
        if differences[index] >= least_difference_bits and len(counts) <= most_phases:
            lengths = [end - first for first, end in bounds]
            short = [k for k, pair in enumerate(itertools.pairwise(lengths)) if min(pair) < least_length]
            if not short:
                break
            index = min(short, key=lambda k: differences[k])
        counts[index : index + 2] = [counts[index] + counts[index + 1]]
        bounds[index : index + 2] = [(bounds[index][0], bounds[index + 1][1])]
        del differences[index]
        if index > 0:
            differences[index - 1] = difference_bits(counts[index - 1], counts[index])
        if index < len(differences):
            differences[index] = difference_bits(counts[index], counts[index + 1])
    return bounds


def difference_bits(first: FloatArray, second: FloatArray) -> float:
    """Jensen-Shannon divergence of two mixes, in bits: 0 if they are alike, 1 if they share nothing."""
    total_first, total_second = first.sum(), second.sum()
    if total_first == 0 or total_second == 0:
        return 0.0  # a stretch without allocations goes with its neighbour
    p, q = first / total_first, second / total_second
    middle = (p + q) / 2
    return float((_entropy_bits(middle) - (_entropy_bits(p) + _entropy_bits(q)) / 2).clip(0, 1))


def _entropy_bits(shares: FloatArray) -> np.float64:
    present = shares[shares > 0]
    return np.float64(-(present * np.log2(present)).sum())
