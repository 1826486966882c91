"""The cffi module, and the errors of `hak_block.h` as exceptions. Only modules of this room import it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from workbench.errors import (
    ConstraintBroken,
    DamagedBlock,
    Leased,
    NoProcess,
    NotPermitted,
    OutOfRange,
    ReadOnlyBlock,
    StartOnly,
    UnknownMetric,
    WorkbenchError,
    WrongAbi,
)

if TYPE_CHECKING:
    import numpy.typing as npt

try:
    import workbench._native._cffi as _cffi  # noqa: PLR0402, mypy knows only this form as untyped
except ImportError as error:
    raise ImportError("the native parts of the workbench are not built: run `make setup`") from error

ffi: Any = _cffi.ffi
lib: Any = _cffi.lib

_Record = TypeVar("_Record", bound=NamedTuple)

_CHARACTER = ffi.typeof("char")
_ERRORS: dict[int, type[WorkbenchError]] = {
    lib.HAK_ERROR_NOT_PERMITTED: NotPermitted,
    lib.HAK_ERROR_NO_PROCESS: NoProcess,
    lib.HAK_ERROR_WRONG_ABI: WrongAbi,
    lib.HAK_ERROR_DAMAGED: DamagedBlock,
    lib.HAK_ERROR_UNKNOWN: UnknownMetric,
    lib.HAK_ERROR_RANGE: OutOfRange,
    lib.HAK_ERROR_CONSTRAINT: ConstraintBroken,
    lib.HAK_ERROR_START_ONLY: StartOnly,
    lib.HAK_ERROR_READ_ONLY: ReadOnlyBlock,
    lib.HAK_ERROR_LEASED: Leased,
}


def native_directory() -> Path:
    """Folder of the built parts: `libhakmem.so`, `hakmem-run` and the cffi module."""
    return Path(_cffi.__file__).parent


def make_error(code: int, text: Any) -> WorkbenchError:
    """Turn a negative return value and its line of text into an exception."""
    return _ERRORS.get(code, WorkbenchError)(decode_text(text))


def read_fields(structure: Any) -> dict[str, Any]:
    """Copy a C structure, or what a pointer leads to: text decoded, arrays as tuples, pointers left out."""
    kind = ffi.typeof(structure)
    fields = (kind.item if kind.kind == "pointer" else kind).fields
    values = {name: _read_field(getattr(structure, name)) for name, _ in fields}
    return {name: value for name, value in values.items() if not isinstance(value, ffi.CData)}


def read_record(pointer: Any, kind: type[_Record]) -> _Record:
    """Copy of a C structure the fields that a named tuple has."""
    return kind(*(_read_field(getattr(pointer, name)) for name in kind._fields))


def _read_field(value: Any) -> Any:
    if not isinstance(value, ffi.CData):
        return value
    kind = ffi.typeof(value)
    if kind.item is _CHARACTER:
        return decode_text(value)
    return tuple(value) if kind.kind == "array" else value


def point_at(structure: Any, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Let pointers in a C structure lead to the arrays of their names, which the caller keeps."""
    for name, column in columns.items():
        setattr(structure, name, ffi.cast(ffi.typeof(getattr(structure, name)), ffi.from_buffer(column)))


def decode_text(field: Any) -> str:
    """Read a C string that another process wrote: any bytes become printable text."""
    text = ffi.string(field).decode("utf-8", "replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
