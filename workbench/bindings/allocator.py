"""`hakmem.h`: the allocator linked into this process (names with ``hak_``); and who serves `malloc` in it."""

from __future__ import annotations

from workbench.bindings.native import decode_text, ffi, lib


def control_path() -> bytes:
    """File of its control block; empty if it has none."""
    path: bytes = ffi.string(lib.hak_control_path())
    return path


def explain_no_block() -> tuple[str, bool]:
    """Why a process like this one gets no control block, and whether that is wanted (`HAKMEM_CONTROL=off`).

    It is the folder, the reason and the remedy; empty if it gets one.
    """
    text = ffi.new("char[]", lib.HAK_ERROR_TEXT_BYTES)
    is_wanted = lib.hak_control_problem(text, lib.HAK_ERROR_TEXT_BYTES) != 0
    return decode_text(text), is_wanted


def count_live_bytes() -> int | None:
    """Bytes of blocks in use, as `mallinfo2` tells; None if it is not of the library that serves `malloc`.

    An allocator that counts in each thread first brings the counts of the calling thread up to date.
    """
    found: int = lib.live_bytes()
    return None if found < 0 else found
