"""Call sites: where in which module an allocation function was called, and the payload of a sites section."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_COUNT = struct.Struct("<I")
_LENGTH = struct.Struct("<H")
_SITE = struct.Struct("<IQ")
_MAXIMUM_NAME_BYTES = 0xFFFF


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


def encode_sites(sites: Sequence[Site]) -> bytes:
    """Encode rows of the table of sites; ValueError if an offset is negative or beyond 64 bits."""
    modules = {module: index for index, module in enumerate(dict.fromkeys(site.module for site in sites))}
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
    """Decode what `encode_sites` gave; ValueError if the bytes are not `count` sites."""
    try:
        (module_count,) = _COUNT.unpack_from(payload)
        at = _COUNT.size
        modules = []
        for _ in range(module_count):
            (length,) = _LENGTH.unpack_from(payload, at)
            at += _LENGTH.size + length
            if at > len(payload):
                raise ValueError("it is cut off")
            modules.append(payload[at - length : at].decode("utf-8", "surrogateescape"))
        if len(payload) - at != count * _SITE.size:
            raise ValueError("it is cut off, or has bytes left over")
        return [Site(modules[module], offset) for module, offset in _SITE.iter_unpack(payload[at:])]
    except (struct.error, IndexError) as error:
        raise ValueError("it is cut off") from error
