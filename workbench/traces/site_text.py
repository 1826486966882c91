"""The payload of a sites section: modules and offsets."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from workbench.traces.sites import Site

_COUNT = struct.Struct("<I")
_LENGTH = struct.Struct("<H")
_SITE = struct.Struct("<IQ")
_MAXIMUM_NAME_BYTES = 0xFFFF


def encode_sites(sites: Sequence[Site]) -> bytes:
    """Encode rows of the table of sites.

    Raises
    ------
    ValueError
        If an offset is negative or beyond 64 bits.
    """
    modules = {site.module: 0 for site in sites}
    for index, module in enumerate(modules):
        modules[module] = index
    parts = [_COUNT.pack(len(modules))]
    for module in modules:
        name = module.encode("utf-8", "surrogateescape")[:_MAXIMUM_NAME_BYTES]
        parts += [_LENGTH.pack(len(name)), name]
    for site in sites:
        if not 0 <= site.offset < 1 << 64:
            raise ValueError(f"offset {site.offset} of {site.module} is not one of 64 bits")
        parts.append(_SITE.pack(modules[site.module], site.offset))
    return b"".join(parts)


def decode_sites(payload: bytes, count: int) -> list[Site]:
    """Decode what `encode_sites` gave.

    Raises
    ------
    ValueError
        If the bytes are not `count` sites.
    """
    try:
        (module_count,) = _COUNT.unpack_from(payload)
        at = _COUNT.size
        modules = []
        for _ in range(module_count):
            (length,) = _LENGTH.unpack_from(payload, at)
            at += _LENGTH.size
            if at + length > len(payload):
                raise ValueError("it is cut off")
            modules.append(payload[at : at + length].decode("utf-8", "surrogateescape"))
            at += length
        if len(payload) - at != count * _SITE.size:
            raise ValueError("it is cut off, or has bytes left over")
        return [Site(modules[module], offset) for module, offset in _SITE.iter_unpack(payload[at:])]
    except (struct.error, IndexError) as error:
        raise ValueError("it is cut off") from error
