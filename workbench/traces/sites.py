"""Call sites: where in which module an allocation function was called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A return address.

    Parameters
    ----------
    module : str
        Path of the program or library; "" if it is not known, as for code made at run time.
    offset : int
        Bytes from where the module's first byte lies in memory; the address itself without module.
    """

    module: str
    offset: int

    def __str__(self) -> str:
        return f"{self.module.rpartition('/')[2] or '?'}+{self.offset:#x}"


class SiteTable:
    """The call sites of a trace, by the number that its events carry."""

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._sites = list(sites)

    def extend(self, sites: Iterable[Site]) -> None:
        """Add sites behind those there are."""
        self._sites.extend(sites)

    def __len__(self) -> int:
        return len(self._sites)

    def __getitem__(self, index: int) -> Site:
        return self._sites[index]

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites)

    def __repr__(self) -> str:
        return f"<SiteTable of {len(self)} call sites>"
