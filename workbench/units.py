"""Quantities as text: exactly, as a person types them, and roughly, as a chart shows them.

A unit is the text that a descriptor carries: "bytes", "%", "ms", "slots", "entries/bucket" or "".
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_BINARY = (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))
# Prefix, from where on it is used, and what it stands for.
_DECIMAL = (("G", 1e9, 1e9), ("M", 1e6, 1e6), ("k", 1e4, 1e3))
# What may follow a number, in lower case, by unit. A bare k, m, g of bytes is binary, as in most tools.
_BYTE_SUFFIXES = {
    "b": 1, "byte": 1, "bytes": 1,
    "k": KIB, "kib": KIB, "kb": 10**3,
    "m": MIB, "mib": MIB, "mb": 10**6,
    "g": GIB, "gib": GIB, "gb": 10**9,
    "t": TIB, "tib": TIB, "tb": 10**12,
}  # fmt: skip
_TIME_S = {"ns": Decimal("1e-9"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "ms": Decimal("1e-3")}
_TIME_S |= {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}
_COUNT_SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9}
_QUANTITY = re.compile(
    r"\s*([-+−]?)\s*((?:[0-9][0-9,_]*)?(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,3})?)\s*(\S.*?)?\s*", re.IGNORECASE
)


def format_quantity(value: float, unit: str = "") -> str:
    """Write a value exactly, so that `parse_quantity` gives it back.

    Parameters
    ----------
    value : int or float
        In `unit`.
    unit : str
        Bytes become KiB, MiB, GiB where nothing is lost.

    Examples
    --------
    >>> format_quantity(524288, "bytes")
    '512 KiB'
    >>> format_quantity(0.75, "entries/bucket")
    '0.75 entries/bucket'
    """
    if unit == "bytes" and math.isfinite(value) and value == int(value) and value != 0:
        for name, factor in _BINARY:
            if int(value) % factor == 0:
                return f"{int(value) // factor} {name}"
    return f"{format_number(value)} {_agree(unit, value)}".rstrip()


def format_number(value: float) -> str:
    """Write a number exactly, whole numbers without a point."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(int(value)) if value == int(value) and abs(value) < 2**63 else repr(float(value))


def format_rough(value: float, unit: str = "") -> str:
    """Write a value in about three digits, for charts and status lines.

    Examples
    --------
    >>> format_rough(13002342, "bytes")
    '12.4 MiB'
    >>> format_rough(41234567.0, "operations/s")
    '41.2 M operations/s'
    """
    if not math.isfinite(value):
        return "–"
    if unit == "bytes" or unit.startswith("bytes/"):
        tail = unit[len("bytes") :]
        for name, factor in _BINARY:
            if abs(value) >= factor:
                return f"{_three_digits(value / factor)} {name}{tail}"
    elif unit not in ("%", "s", "ms"):
        for name, least, divisor in _DECIMAL:
            if abs(value) >= least:
                return f"{_three_digits(value / divisor)} {name} {unit}".rstrip()
    return f"{_three_digits(value)} {_agree(unit, value)}".rstrip()


def _agree(unit: str, value: float) -> str:
    return "byte" if unit == "bytes" and value == 1 else unit


def _three_digits(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(decimals, 6)}f}"


def parse_quantity(text: str, unit: str = "") -> float:
    """Read a number with an optional unit.

    Parameters
    ----------
    text : str
        Such as "80", "80 %", "512KiB", "1.5 GiB", "250 ms", "2 s", "1,048,576" or "10k".
    unit : str
        The unit of the result, and of a number without one.

    Returns
    -------
    float
        In `unit`.

    Raises
    ------
    ValueError
        If the text is no number, or carries another unit.
    """
    match = _QUANTITY.fullmatch(text)
    if not match or not re.search(r"\d", match[2]) or not re.match(r"[\d.]", match[2]):
        raise ValueError(f"'{text}' is not a number")
    number = Decimal(match[2].replace(",", "").replace("_", ""))
    if match[1] in ("-", "−"):
        number = -number
    suffix = match[3] or ""
    factor = _find_factor(suffix, unit)
    if factor is None:
        raise ValueError(f"'{text}' is not in {unit or 'plain numbers'}")
    return float(number * factor)


def _find_factor(suffix: str, unit: str) -> Decimal | None:
    lower = suffix.lower()
    if not suffix or lower == unit.lower():
        return Decimal(1)
    if unit == "bytes":
        known = _BYTE_SUFFIXES.get(lower)
        return None if known is None else Decimal(known)
    if unit in _TIME_S:
        return _TIME_S[lower] / _TIME_S[unit] if lower in _TIME_S else None
    if unit == "%":
        return Decimal(1) if lower == "percent" else None
    head, _, tail = lower.partition(" ")
    if head in _COUNT_SUFFIXES and tail in ("", unit.lower()):
        return Decimal(_COUNT_SUFFIXES[head])
    return None


def name_column(name: str, unit: str) -> str:
    """Name of a table's column: the name with its unit at the end, unless it ends so already.

    Examples
    --------
    >>> name_column("tls.capacity", "slots")
    'tls.capacity_slots'
    >>> name_column("os.reserved_bytes", "bytes")
    'os.reserved_bytes'
    """
    suffix = unit.replace("%", "percent").replace("/", "_per_").replace(" ", "_")
    last = name.rpartition(".")[2]
    return name if not suffix or last == suffix or last.endswith(f"_{suffix}") else f"{name}_{suffix}"
