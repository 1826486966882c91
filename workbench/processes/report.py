"""From what was seen of a worker to the outcome of its run."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.control import ControlBlock, Value
from workbench.processes.outcome import Outcome


@dataclass
class Observation:
    """What the watcher has seen.

    The numbers, from the control block and /proc, stand in for the report that a crashed worker cannot
    make.
    """

    return_code: int = 0
    reason: str | None = None  # why this side ended it: "stopped" or "timed out"
    failure: str | None = None  # what went wrong on this side
    output: bytes = b""
    complaints: bytes = b""
    operations: int = 0
    elapsed_s: float = 0.0
    peak_resident_bytes: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    last_events: tuple[str, ...] = ()
    effective: Mapping[str, Value] = field(default_factory=dict)


def read_progress(block: ControlBlock) -> float:
    """Share of a run that is done, 0 to 1, from its control block."""
    progress = block.snapshot().value("workload.progress")
    return min(1.0, max(0.0, progress))


def read_outcome(observation: Observation) -> Outcome:
    """Say what came of a run."""
    told = _read_report(observation.output)
    tail = observation.complaints.decode(errors="replace")
    code = observation.return_code
    signal_name = _name_signal(-code) if code < 0 else None
    operations = int(told.get("operations", observation.operations))
    elapsed_s = float(told.get("elapsed_s", observation.elapsed_s))
    status, message = _name_status(observation, told, signal_name, tail)
    return Outcome(
        status=status,
        message=message,
        signal=signal_name,
        exit_code=code if code >= 0 else None,
        operations=operations,
        elapsed_s=elapsed_s,
        operations_per_s=operations / elapsed_s if elapsed_s > 0 else 0.0,
        peak_resident_bytes=int(told.get("peak_resident_bytes", observation.peak_resident_bytes)),
        checksum=str(told.get("checksum", "")),
        stderr_tail=tail,
        events=observation.events,
        last_events=observation.last_events,
        effective=observation.effective,
        latency_ns=_read_latency(told.get("latency", {})),
        latency_histograms=_read_histograms(told.get("latency", {})),
    )


def _name_status(
    observation: Observation, told: Mapping[str, Any], signal_name: str | None, tail: str
) -> tuple[str, str]:
    said = tail.strip().splitlines()
    if observation.failure is not None:
        return "failed", observation.failure
    if observation.reason == "timed out":
        return "timed out", "it did not end in time and was killed"
    if signal_name == "SIGKILL" and observation.reason == "stopped":
        return "stopped", "it was killed on request"
    if signal_name is not None:
        last = f"; it said: {said[-1]}" if said else ""
        return "crashed", f"the worker was ended by {signal_name}{last}"
    if observation.return_code == 0 and told.get("status") in ("completed", "stopped"):
        status = str(told["status"])
        return status, "" if status == "completed" else "it was stopped on request"
    return "failed", said[-1] if said else f"it ended with exit code {observation.return_code} and no word"


def _read_latency(told: Mapping[str, Any]) -> dict[str, float]:
    calls = {call: summary for call, summary in told.items() if isinstance(summary, dict)}
    latency_ns = {
        f"{call}_{name}": float(summary[name])
        for call, summary in calls.items()
        for name in ("count", "p50", "p99", "p99_9", "max")
    }
    return {"clock_overhead": float(told["clock_overhead_ns"]), **latency_ns} if told else {}


def _read_histograms(told: Mapping[str, Any]) -> dict[str, tuple[tuple[float, int], ...]]:
    return {
        call: tuple((float(upper_ns), int(count)) for upper_ns, count in summary["buckets"])
        for call, summary in told.items()
        if isinstance(summary, dict)
    }


def _read_report(output: bytes) -> dict[str, Any]:
    """The line of JSON, the last the runner prints; empty if there is none."""
    for line in reversed(output.splitlines()):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    return {}


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
