"""Call sites: where in which module an allocation function was called."""

from __future__ import annotations

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
