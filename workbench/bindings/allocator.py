"""`hakmem.h`: the allocator that is linked into this process, whose names begin with ``hak_``."""

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
