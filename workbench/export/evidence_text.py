"""Evidence packed into facts, for formats that have nothing but comments to carry it in."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from workbench.errors import DamagedEvidence

_LINE_CHARACTERS = 96
#: What a packed line unpacks to, at most, all together.
_MOST_BYTES = 16 << 20
_NAME = re.compile(r"evidence ([0-9]{1,6}) of ([0-9]{1,6})")


def pack_evidence(content: Mapping[str, Any]) -> dict[str, str]:
    """Spread it over facts "evidence 1 of 9" …: JSON, compressed with zlib, in base64."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
    lines = [packed[start : start + _LINE_CHARACTERS] for start in range(0, len(packed), _LINE_CHARACTERS)]
    return {f"evidence {number} of {len(lines)}": line for number, line in enumerate(lines, start=1)}


def is_packed(name: str) -> bool:
    """Whether a fact of this name is part of packed evidence."""
    return _NAME.fullmatch(name) is not None


def unpack_evidence(facts: Mapping[str, str]) -> Any | None:
    """Put it together again; None if there is none among the facts.

    Raises
    ------
    DamagedEvidence
        If a line is missing or changed.
    """
    parts: dict[int, str] = {}
    total = 0
    for name, text in facts.items():
        if (match := _NAME.fullmatch(name)) is not None:
            parts[int(match[1])] = text
            total = max(total, int(match[2]))
    if not parts:
        return None
    missing = [number for number in range(1, min(total, len(parts) + 1) + 1) if number not in parts]
    if missing or len(parts) != total:
        raise DamagedEvidence(f"evidence: its line {missing[0] if missing else total} of {total} is missing")
    text = "".join(parts[number] for number in range(1, total + 1))
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
        if not inflater.eof:
            raise DamagedEvidence("evidence: its lines do not unpack to a whole")
        return json.loads(data)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise DamagedEvidence(f"evidence: its lines were changed ({error})") from None
