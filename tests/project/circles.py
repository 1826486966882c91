"""Circles in a graph of what needs what."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter


def find_circles(needs: Mapping[str, set[str]]) -> list[str]:
    """Return one circle in each part of a graph whose members reach each other, as "a -> b -> a"."""
    left = {name: set(needed) for name, needed in needs.items()}
    circles = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]
            circles.append(" -> ".join(circle))
            left[circle[0]].discard(circle[1])
        else:
            return circles
