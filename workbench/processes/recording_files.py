"""The trace files of one recording: the program's, and beside it those of other process images."""

from __future__ import annotations

import contextlib
import glob
import os
import uuid
from pathlib import Path

from workbench.errors import BadParameter
from workbench.output_file import check_output
from workbench.traces import SUFFIX
from workbench.traces.reader import is_trace, read_recording_name


class RecordingFiles:
    """Makes sure beforehand that traces can be written; replaces a former recording once there is a new one.

    Parameters
    ----------
    output : Path
        The program's trace. A link stands for the file it leads to. BadParameter if it is a folder, a pipe, a
        device, or a file that is no trace, or cannot be written.
    is_forced : bool
        What is there may be something else than a trace.
    """

    def __init__(self, output: Path, *, is_forced: bool = False) -> None:
        self.recording = uuid.uuid4().hex
        self._number = 0
        self._has_begun = False
        try:
            self.output = Path(os.path.realpath(output)) if output.is_symlink() else output
            check_output(
                self.output, "a trace", is_trace, is_forced=is_forced, remedy="replace it with --force"
            )
            self._new = self.output.with_name(f".hakmem-record-{os.getpid()}-{self.recording[:8]}")
            os.close(os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise BadParameter(f"{output}: {error.strerror}; name a file that can be written") from error

    def begin(self) -> None:
        """The program runs: what was recorded before under this name goes, and its children's traces with it.

        OSError if the file cannot be replaced.
        """
        if self._has_begun:
            return
        former = ""
        with contextlib.suppress(OSError):
            former = read_recording_name(self.output)
        self._new.replace(self.output)
        self._has_begun = True
        if former:
            for path in self.output.parent.glob(f"{glob.escape(_stem_of(self.output))}.*{SUFFIX}"):
                with contextlib.suppress(OSError):
                    if path != self.output and path.is_file() and read_recording_name(path) == former:
                        path.unlink()

    def close(self) -> None:
        """Take back what was not used."""
        with contextlib.suppress(OSError):
            if not self._has_begun:
                self._new.unlink(missing_ok=True)
            elif not self.output.stat().st_size:
                self.output.unlink()

    def name_child(self, program: str) -> Path:
        """Name the trace of another process image than the program's last: one that no file has."""
        safe = "".join(mark if mark.isalnum() or mark in "+-._" else "_" for mark in program)
        while True:
            self._number += 1
            name = f"{_stem_of(self.output)}.{self._number}-{safe[:64]}{SUFFIX}"
            path = self.output.with_name(name)
            if not os.path.lexists(path):
                return path


def _stem_of(output: Path) -> str:
    return output.name.removesuffix(SUFFIX)
