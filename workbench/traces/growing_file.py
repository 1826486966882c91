"""A file that grows piece by piece: each piece is written whole or not at all, and no descriptor is kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_ROOM_BYTES = 8192
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GrowingFile:
    """A new, empty file, in place of one of that name; OSError if it cannot be made.

    A little room on the disk is kept ahead. A piece that does not fit gives it back: so there is room for
    a last short piece on a disk that is full. The file is opened for each piece, for a recorder of a
    thousand processes has fewer descriptors than that.
    """

    def __init__(self, path: Path) -> None:
        #: Where it is.
        self.path = path
        self._end = 0
        with path.open("wb") as file:
            self._left = _identify(file.fileno())

    def append(self, piece: bytes, *, room_bytes: int = _ROOM_BYTES) -> None:
        """Write a piece at the end, and keep room ahead.

        OSError if it cannot be written; the file then ends with the piece before it.
        """
        try:
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CLOEXEC), "wb", buffering=0) as file:
                if _identify(file.fileno()) != self._left:
                    raise OSError(errno.ESTALE, "another file is there now")
                try:
                    if room_bytes:
                        _allocate(file.fileno(), self._end, len(piece) + room_bytes)
                    file.seek(self._end)
                    view = memoryview(piece)
                    while view:
                        view = view[file.write(view) :]
                    self._end += len(piece)
                except OSError:
                    room_bytes = 0
                    raise
                finally:
                    if not room_bytes:
                        file.truncate(self._end)
                    self._left = _identify(file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def finish(self, piece: bytes) -> None:
        """Write the last piece, and give back the room that is kept ahead; raises OSError as `append`."""
        self.append(piece, room_bytes=0)

    def rename(self, path: Path) -> None:
        """Give it another name; it can grow on."""
        self.path.rename(path)
        self.path = path


def _identify(descriptor: int) -> tuple[int, int, int]:
    """Tell a file from another one of the same name, which may even have its number."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size


def _allocate(descriptor: int, start: int, length: int) -> None:
    try:
        os.posix_fallocate(descriptor, start, length)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
