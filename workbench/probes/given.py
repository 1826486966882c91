"""Probes that the user gives: a command, a Prometheus or OpenMetrics address, a file, a function."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import signal
import stat
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from workbench.control import Metric
from workbench.errors import BadParameter, ProbeFailed, describe_unknown
from workbench.probes.probe import Better, Probe, to_figure
from workbench.probes.process import Pids, process_probes

_TIMEOUT_S = 5.0
_MOST_BYTES = 8 * 1024 * 1024
_GIVEN = re.compile(
    r"(?P<name>[\w.-]+)"
    r"(?::(?P<unit>[^=,]*))?"
    r"(?P<options>(?:,(?:counter|gauge|lower|higher))*)"
    r"=(?P<source>.+)",
    re.DOTALL,
)
_SERIES = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?")
_LABEL = re.compile(r'(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?\s*')
_EXAMPLE = "http://127.0.0.1:9090/metrics#NAME"
_OPENMETRICS = "application/openmetrics-text"


def parse_probe(text: str) -> Probe:
    """Read a probe as it is given on a command line.

    Parameters
    ----------
    text : str
        ``NAME[:UNIT][,counter][,lower|,higher]=SOURCE``. A counter is shown as its rate. The source is

        - an address with the metric after "#": ``http://127.0.0.1:9121/metrics#http_requests{code="200"}``,
        - a file: ``file:/run/app/queue``,
        - or else a command that prints a number.

    Raises
    ------
    BadParameter
        With what is wrong and an example.
    """
    match = _GIVEN.fullmatch(text.strip())
    if match is None:
        raise BadParameter(_describe_wrong(text))
    name, unit, source = match["name"], match["unit"] or "", match["source"].strip()
    words = match["options"].split(",")
    better = cast(Better, next((word for word in words if word in ("lower", "higher")), ""))
    if source.startswith(("http://", "https://")):
        read: Callable[[], float] = _Address(name, source)
    elif source.startswith("file:"):
        read = _File(name, Path(source.removeprefix("file:")))
    else:
        read = _Command(name, source)
    probe = _make(name, read, unit, "counter" if "counter" in words else "gauge", better, source)
    return replace(probe, source=text)


def find_command(text: str) -> str:
    """The command that a probe runs, as `parse_probe` takes it; empty if it runs none."""
    match = _GIVEN.fullmatch(text.strip())
    source = match["source"].strip() if match is not None else ""
    return "" if source.startswith(("http://", "https://", "file:")) else source


def read_probe(text: str, pids: Pids | int) -> Probe:
    """Read a built-in probe by its name, such as "process.resident", or one as `parse_probe` does.

    Parameters
    ----------
    text : str
    pids : int or callable
        Whose figures the built-in ones are, as for `process_probes`.

    Raises
    ------
    BadParameter
        With what is wrong and an example.
    """
    built_in = process_probes(pids)
    if text in built_in:
        return replace(built_in[text], source=text)
    return parse_probe(text)


def _describe_wrong(text: str) -> str:
    """What is said of a text that names no probe, wherever probes are given."""
    unknown = describe_unknown("probe", text, process_probes(os.getpid()))
    return f"{unknown}; or give NAME:UNIT=SOURCE, such as rps:requests,counter={_EXAMPLE}"


def probe_from_callable(
    name: str,
    function: Callable[[], float],
    unit: str = "",
    *,
    kind: Literal["gauge", "counter"] = "gauge",
    better: Better = "",
    period_s: float = 1.0,
) -> Probe:
    """Make a probe of a function that returns a number; whatever it raises is shown as the reason of a gap.

    Raises
    ------
    BadParameter
        If it cannot be called, or a name, unit or period is none.
    """
    if not callable(function):
        raise BadParameter(
            f"probe {name}: {function!r} cannot be called; give a function that returns a number"
        )
    return _make(name, function, unit, kind, better, getattr(function, "__doc__", "") or "", period_s)


def _make(
    name: str,
    read: Callable[[], float],
    unit: str,
    kind: Literal["gauge", "counter"],
    better: Better,
    text: str,
    period_s: float = 1.0,
) -> Probe:
    if not re.fullmatch(r"[\w.-]+", name):
        raise BadParameter(f"probe '{name}': a name has letters, digits and _ . - only")
    if not 0.01 <= period_s <= 3600:
        raise BadParameter(f"probe {name}: a period of {period_s} s is out of range; give 0.01 to 3600 s")
    metric = Metric(name, "Probes", unit, " ".join(text.split())[:200], chart=name, kind=kind)
    return Probe(metric, read, period_s, better)


class _Command:
    """A command line for the shell; what it prints last is the number."""

    def __init__(self, name: str, command: str) -> None:
        self._name, self._command = name, command
        self._process: subprocess.Popen[bytes] | None = None

    def cancel(self) -> None:
        """End a reading that goes on, with whatever it started."""
        if (process := self._process) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def __call__(self) -> float:
        with subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                output, errors = process.communicate(timeout=_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise ProbeFailed(f"{self._name}: the command took more than {_TIMEOUT_S:.0f} s") from None
            finally:
                self.cancel()
                self._process = None
        if process.returncode != 0:
            said = " ".join(errors.decode(errors="replace").split())[:120]
            how = f"the command ended with status {process.returncode}"
            raise ProbeFailed(f"{self._name}: {how}" + (f": {said}" if said else ""))
        words = output[-_MOST_BYTES:].decode(errors="replace").split()
        return to_figure(words[-1] if words else "", f"{self._name}: the command")


class _File:
    """A file that holds a number, such as one of /proc or /sys."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path

    def __call__(self) -> float:
        try:
            # A pipe would be waited for.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ProbeFailed(f"{self._name}: {self._path} is no file")
                words = file.read(4096).decode(errors="replace").split()
        except OSError as error:
            raise ProbeFailed(f"{self._name}: {self._path}: {error.strerror}") from None
        return to_figure(words[0] if words else "", f"{self._name}: {self._path}")


class _Address:
    """One series of what a program of this machine serves for Prometheus."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._url, _, series = source.partition("#")
        match = _SERIES.fullmatch(series.strip())
        if match is None:
            raise BadParameter(
                f"probe {name}: name the metric after #, as in {self._url}#http_requests_total"
            )
        self._series, self._labels = match["name"], dict(_LABEL.findall(match["labels"] or ""))
        host = urllib.parse.urlsplit(self._url).hostname or ""
        if not _is_this_machine(host):
            raise BadParameter(
                f"probe {name}: {host or self._url} is not this machine; use 127.0.0.1 or localhost"
            )
        # No proxy, and no way to another machine.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler,
            urllib.request.HTTPSHandler,
            urllib.request.HTTPErrorProcessor,
        ):
            self._opener.add_handler(handler())
        self._opener.add_handler(urllib.request.HTTPDefaultErrorHandler())

    def __call__(self) -> float:
        request = urllib.request.Request(self._url, headers={"Accept": f"{_OPENMETRICS},text/plain"})
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                text = answer.read(_MOST_BYTES).decode("utf-8", errors="replace")
                is_open = _OPENMETRICS in answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                raise ProbeFailed(f"{self._name}: {self._url}: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise ProbeFailed(f"{self._name}: {self._url}: {reason}") from None
        return to_figure(self._find(text, is_open), f"{self._name}: {self._url}")

    def _find(self, text: str, is_open: bool) -> float:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
        from prometheus_client.parser import text_string_to_metric_families as parse_plain

        try:
            samples = [
                one for family in (parse_open if is_open else parse_plain)(text) for one in family.samples
            ]
        except (ValueError, KeyError, IndexError) as error:
            raise ProbeFailed(f"{self._name}: {self._url} is not in Prometheus's format: {error}") from None
        found = [
            sample
            for sample in samples
            if sample.name in (self._series, f"{self._series}_total")
            and self._labels.items() <= sample.labels.items()
        ]
        if len(found) == 1:
            return found[0].value
        if not found:
            raise ProbeFailed(f"{self._name}: {self._url} has no metric {self._series} with these labels")
        labels = ",".join(f'{key}="{value}"' for key, value in found[0].labels.items())
        raise ProbeFailed(
            f"{self._name}: {len(found)} series fit; name one, such as {self._series}{{{labels}}}"
        )


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
