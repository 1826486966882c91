"""Results on disk: a folder that any kill leaves sound.

    FOLDER/plan.json         what was declared before anything ran
    FOLDER/trials/ID.json    one finished run each, written under another name and renamed
    FOLDER/results.parquet   those of before, in one table; made by `compact`
    FOLDER/.lock             held by who adds results

A run counts as done when its file has its name. Compacting writes the table beside the old one and
renames it before it removes the files it holds; a run found in both places is one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.display import Displayed
from workbench.errors import WorkbenchError, WrongResults
from workbench.experiments.result import ROW_TYPES, Result
from workbench.experiments.table import tabulate_fastest, tabulate_results
from workbench.plain_values import canonical_json
from workbench.table import Table

if TYPE_CHECKING:
    import pandas as pd

_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_SCHEMA = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in ROW_TYPES.items()])
_PLAN = "plan.json"
_TRIALS = "trials"
_TABLE = "results.parquet"
_LOCK = ".lock"
_NEW = ".new"


class Results(Displayed):
    """A set of results, one a run, in the folder `path`; made by `open`, and `add` needs `writing`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_id: dict[str, Result] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a set; a folder that does not exist yet, or is empty, is an empty one.

        Raises
        ------
        WrongResults
            If something there is no result, with its file.
        """
        results = cls(Path(path))
        results._read()
        return results

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the runs that are measured; those that failed may be tried again."""
        return frozenset(run_id for run_id, result in self._by_id.items() if result.is_measured)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Result]:
        return iter(sorted(self._by_id.values(), key=lambda result: (result.started_s, result.id)))

    def get(self, run_id: str) -> Result | None:
        """Result of a run; None if it is not done."""
        return self._by_id.get(run_id)

    @property
    def is_held(self) -> bool:
        """Whether a process adds results to it now."""
        try:
            with (self.path / _LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the set, so that nobody else measures the same runs into it.

        Raises
        ------
        WrongResults
            If another process does, or no folder can be made there.
        """
        try:
            (self.path / _TRIALS).mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError) as error:
            raise WrongResults(
                f"{self.path}: no folder can be made there ({error.strerror}); name another"
            ) from None
        with (self.path / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WrongResults(
                    f"{self.path}: another process adds results to it; wait for its end"
                ) from None
            self._read()  # what somebody added since it was opened
            yield

    @property
    def declared(self) -> dict[str, Any]:
        """What was said to be going to run; empty if nothing was."""
        path = self.path / _PLAN
        try:
            plan = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError, RecursionError) as error:
            raise WrongResults(f"{path}: it is no plan ({error})") from None
        return plan if isinstance(plan, dict) else {}

    def declare(self, plan: Mapping[str, Any], *, replaces: bool = False) -> None:
        """Say what is going to run; the same plan may be declared again.

        WrongResults if results of another plan are there, unless it `replaces` that one.
        """
        text = canonical_json(plan)
        path = self.path / _PLAN
        if path.exists() and not replaces:
            if path.read_text(encoding="utf-8").strip() != text:
                raise WrongResults(
                    f"{self.path}: it holds results of another plan; give another folder, or the same plan"
                )
            return
        if self._by_id and not path.exists():
            raise WrongResults(f"{self.path}: it holds results without a plan; give another folder")
        _write_whole(path, text)

    def add(self, result: Result) -> None:
        """Keep a result; on disk when this returns."""
        _write_whole(self.path / _TRIALS / f"{result.id}.json", json.dumps(result.to_row()))
        self._by_id[result.id] = result

    def compact(self) -> None:
        """Put everything into the one table."""
        self._read()  # an interrupt may have come between a result's file and the note of it
        files = sorted((self.path / _TRIALS).glob("*.json"))
        if not files:
            return
        rows = [result.to_row() for result in self]
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        new = self.path / (_TABLE + _NEW)
        pq.write_table(table, new, compression="zstd")
        _sync(new)
        new.replace(self.path / _TABLE)
        _sync(self.path)
        for file in files:
            file.unlink(missing_ok=True)

    def to_frame(self) -> pd.DataFrame:
        """A row a run, in the order in which they ran, units in the column names."""
        return tabulate_results(self)

    def to_table(self) -> Table:
        """The fastest single runs."""
        return tabulate_fastest(self)

    def __repr__(self) -> str:
        failed = sum(not result.is_measured for result in self)
        return f"<Results: {len(self)} runs, {failed} failed; in {self.path}>"

    def _read(self) -> None:
        self._by_id = {}
        table = self.path / _TABLE
        if table.exists():
            try:
                rows = pq.read_table(table).to_pylist()
            except (OSError, pa.ArrowException) as error:
                raise WrongResults(f"{table}: it is no table of results ({error})") from None
            for row in rows:
                self._take(row, table)
        elif self.path.exists() and not self.path.is_dir():
            raise WrongResults(f"{self.path}: it is no folder of results")
        for file in sorted((self.path / _TRIALS).glob("*.json")):
            try:
                row = json.loads(file.read_text(encoding="utf-8-sig"))
            except FileNotFoundError:
                continue  # compacted meanwhile, by its writer
            except (OSError, ValueError, RecursionError) as error:
                raise WrongResults(f"{file}: it is no result ({error})") from None
            self._take(row, file)

    def _take(self, row: object, file: Path) -> None:
        if not isinstance(row, dict):
            raise WrongResults(f"{file}: it is no result")
        try:
            result = Result.from_row(row)
        except WorkbenchError as error:
            raise WrongResults(f"{file}: {error}") from None
        self._by_id[result.id] = result


def _write_whole(path: Path, text: str) -> None:
    """The file is there with all of its text, or it is not there."""
    new = path.with_name(path.name + _NEW)
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
