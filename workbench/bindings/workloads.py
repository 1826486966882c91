"""`catalogue.h`, `request.h` and `in_process.h`: the workloads, and running one in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbench.bindings.native import decode_text, ffi, lib, read_fields, read_record

#: WORKLOAD_MAX_THREADS.
MOST_THREADS: int = lib.WORKLOAD_MAX_THREADS


class ResultRecord(NamedTuple):
    """struct workload_result."""

    status: int
    operations: int
    checksum: int
    peak_resident_bytes: int
    elapsed_s: float
    error: str

    @property
    def status_name(self) -> str:
        """As people see it."""
        return decode_text(lib.workload_status_name(self.status))


def list_workloads() -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """All workloads with their parameters in the table's order, both by the fields of the C structures."""
    index = 0
    while (workload := lib.workload_at(index)) != ffi.NULL:
        parameters = [workload.parameters[k] for k in range(workload.parameter_count)]
        yield read_fields(workload), [read_fields(parameter) for parameter in parameters]
        index += 1


def check_parameters(name: str, values: Mapping[str, float]) -> str:
    """The drivers' own check: what is wrong with the parameters of a workload; empty if nothing is."""
    request = ffi.new("struct workload_request *")
    error = _new_error()
    lib.workload_request_init(request, lib.workload_find(name.encode()))
    request.seconds = 1.0
    for parameter, value in values.items():
        if lib.workload_request_set(request, parameter.encode(), value, error) != 0:
            return decode_text(error)
    return decode_text(error) if lib.workload_request_check(request, error) != 0 else ""


def start_in_process(
    name: str,
    parameters: Sequence[float],
    *,
    threads: int,
    seed: int,
    seconds: float,
    operations: int,
) -> str:
    """Start a workload, which pauses first; returns why that was refused, empty if it is there."""
    error = _new_error()
    refused = lib.hak_workload_start(
        name.encode(),
        ffi.new("double[]", list(parameters)),
        threads,
        seed,
        seconds,
        operations,
        True,
        error,
    )
    return decode_text(error) if refused else ""


def path_in_process() -> str:
    """File of the running workload's control block."""
    return decode_text(lib.hak_workload_path())


def poll_in_process() -> ResultRecord | None:
    """What came of it, told once; None while it runs."""
    result = ffi.new("struct workload_result *")
    return read_record(result, ResultRecord) if lib.hak_workload_poll(result) == 1 else None


def stop_in_process() -> None:
    """Ask it to end."""
    lib.hak_workload_stop()


def _new_error() -> Any:
    return ffi.new("char[]", lib.WORKLOAD_ERROR_BYTES)
