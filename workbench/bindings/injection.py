"""`injected_call.h`: code that lets a thread of another process load a library and call a function of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from workbench.bindings.native import ffi, lib

#: Where in the code a thread begins.
ENTRY: int = lib.HAK_INJECTED_ENTRY
#: States of a result: the library was not loaded, or the function was called.
NOT_LOADED: int = lib.HAK_INJECTED_NOT_LOADED
DONE: int = lib.HAK_INJECTED_DONE
RESULT_BYTES: int = ffi.sizeof("struct hak_injected_result")

_MAXIMUM_CODE_BYTES = 2048


class InjectedCall(NamedTuple):
    """struct hak_injected_call: addresses in the other process."""

    next: int
    area: int
    dlopen: int
    dlsym: int
    dlerror: int
    errno_location: int
    is_global: bool


def make_code(call: InjectedCall, library: Path, function: str, argument: str) -> bytes:
    """Make the code for one call; ValueError if the library's path or the argument is too long."""
    out = ffi.new("uint8_t[]", _MAXIMUM_CODE_BYTES)
    fields = ffi.new("struct hak_injected_call *", call._asdict())
    count = lib.hak_injected_code(
        out, len(out), fields, os.fsencode(library), function.encode(), os.fsencode(argument)
    )
    if count > len(out):
        raise ValueError("the library's path or the argument is too long")
    return bytes(ffi.buffer(out, count))


def read_area(memory: bytes) -> int:
    """The area of a call whose code begins here; 0 if none does."""
    area: int = lib.hak_injected_area(memory, len(memory))
    return area


def read_result(memory: bytes) -> tuple[int, int]:
    """State and address of the text, from the first bytes of the area."""
    result = ffi.from_buffer("struct hak_injected_result *", memory)
    return result.state, result.text
