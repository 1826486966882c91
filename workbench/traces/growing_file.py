"""A file that grows piece by piece: each piece is written whole or not at all, and no descriptor is kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_ROOM_BYTES = 8192
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GrowingFile:
    """A new, empty file, in place of one of that name.

    A little room on the disk is kept ahead. A piece that does not fit gives it back: so there is room for
    a last short piece on a disk that is full. The file is opened for each piece, for a recorder of a
    thousand processes has fewer descriptors than that.

    Parameters
    ----------
    path : Path
        Where.

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            self._left = _identify(descriptor)
        finally:
            os.close(descriptor)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def append(self, piece: bytes) -> None:
        """Write a piece at the end.

        Raises
        ------
        OSError
            If it cannot be written; the file then ends with the piece before it.
        """
        self._write(piece, _ROOM_BYTES)

    def finish(self, piece: bytes) -> None:
        """Write the last piece, and give back the room that is kept ahead.

        Raises
        ------
        OSError
            As `append`.
        """
        self._write(piece, 0)

    def rename(self, path: Path) -> None:
        """Give it another name; it can grow on."""
        self._path.rename(path)
        self._path = path

    def _write(self, piece: bytes, room_bytes: int) -> None:
        descriptor = self._open()
        try:
            try:
                if room_bytes:
                    _allocate(descriptor, self._end, len(piece) + room_bytes)
                _write(descriptor, piece, self._end)
                self._end += len(piece)
                if not room_bytes:
                    os.ftruncate(descriptor, self._end)
            except OSError:
                os.ftruncate(descriptor, self._end)
                raise
            finally:
                self._left = _identify(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        if _identify(descriptor) != self._left:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "another file is there now", str(self._path))
        return descriptor


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


def _write(descriptor: int, piece: bytes, start: int) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, start)
        view = view[written:]
        start += written
