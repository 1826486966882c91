"""The same runs on an existing Dask cluster. Who started it sees to its workers and its encryption.

A worker process measures one run at a time, and the lock of the host (`host_lock`) keeps workers on one
host from measuring beside each other. Results come back one by one and are kept here: a worker that
dies loses the run it was at, and another one measures that again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import math
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import BadParameter, NoProcess, SchedulerLost, WorkerFailed, WrongResults
from workbench.experiments.host import WarmMemory
from workbench.experiments.measurement import measure_run
from workbench.experiments.result import Result
from workbench.processes.machine import describe_machine, describe_software
from workbench.processes.runs import Run

_CONNECT_S = 20.0
# A run that took so many workers along is a failed run.
_DEATHS = 3
_POLL_S = 0.02
# How often to look whether there are workers, and how long there may be none before it is said.
_LOOK_S = 1.0
_PATIENCE_S = 2.0
_LOGGERS = ("distributed", "tornado", "asyncio")
# What this process, a worker of the cluster, has learned.
_MEMORY = WarmMemory()


def measure_on_cluster(
    missing: Mapping[str, Run],
    address: str,
    on_notice: Callable[[str], object] | None = None,
) -> Generator[Result]:
    """Measure runs, by id, on the workers of a Dask scheduler; what is not done is taken back at the end.

    The address is "tls://host:port", or "tcp://…" on this machine. Certificates are found where Dask's
    configuration says. `on_notice` is told, in one line, that no worker is connected, once it has waited
    some seconds. Raised is BadParameter for the address, NoProcess if no scheduler answers there or the
    package `distributed` is missing, SchedulerLost, WorkerFailed if a worker cannot measure at all, and
    WrongResults if it has another build of the workbench, to which a run means something else.
    """
    check_address(address)
    distributed = _import_distributed()
    if not missing:
        return
    try:
        # At once, where nobody listens: the client would try again until its time is up.
        parts = urlsplit(address)
        socket.create_connection((str(parts.hostname), parts.port or 0), _CONNECT_S).close()
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise NoProcess(
            f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler`"
        ) from None
    with _quiet_logs(), client:
        futures = {
            client.submit(measure_remotely, run.to_json(), key=f"run-{run_id}", pure=False): run_id
            for run_id, run in missing.items()
        }
        try:
            for future in _list_completed(client, futures, on_notice):
                run_id = futures.pop(future)
                result = _take(client, future, missing[run_id])
                if result.id != run_id:
                    raise WrongResults(
                        f"a worker on '{result.machine.description}' has another build of the workbench: "
                        "install the same one on all hosts"
                    )
                yield result
        finally:
            if _is_connected(client):
                client.cancel(list(futures), force=True)


def check_address(address: str) -> None:
    """See whether runs may be sent there.

    Raises
    ------
    BadParameter
        If it is no address, or leaves this machine without TLS.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or urlsplit(address).scheme not in ("tcp", "tls"):
        raise BadParameter(f"'{address}' is no address of a scheduler, such as tls://host:8786")
    if urlsplit(address).scheme == "tcp" and not _is_loopback(host):
        raise BadParameter(
            f"{address} leaves this machine in the clear; start the cluster with TLS and give tls://{host}:{port}"
        )


def measure_remotely(text: str) -> str:
    """Measure on a worker: a run as JSON to a row as JSON."""
    run = Run.from_json(text)
    result = measure_run(run, warm_bytes=_MEMORY.choose(run))
    _MEMORY.learn(result)
    return json.dumps(result.to_row())


def _list_completed(
    client: Any, futures: Mapping[Any, str], on_notice: Callable[[str], object] | None
) -> Iterator[Any]:
    """Futures as they end; tells of it if no worker is there to run them.

    SchedulerLost if the scheduler is gone; all that it was to do is gone with it.
    """
    completed = _import_distributed().as_completed(list(futures), loop=client.loop)
    address = client.scheduler.address
    left, workers = len(futures), 0
    waiting_since_s: float | None = None
    next_look_s = time.monotonic() + _LOOK_S
    while left:
        batch = completed.next_batch(block=False)
        if not _is_connected(client) or any(future.status == "cancelled" for future in batch):
            raise _describe_loss(client)
        for future in batch:
            left -= 1
            yield future
        if batch:
            continue
        time.sleep(_POLL_S)
        if time.monotonic() < next_look_s:
            continue
        next_look_s = time.monotonic() + _LOOK_S
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):  # its status tells of a loss
            workers = len(client.scheduler_info()["workers"])
        if workers:
            waiting_since_s = None
        elif waiting_since_s is None:
            waiting_since_s = time.monotonic()
        elif on_notice is not None and time.monotonic() - waiting_since_s >= _PATIENCE_S:
            on_notice(
                f"no worker is connected to the scheduler at {address}: waiting for one; "
                f"start it with `dask worker {address} --nthreads 1`"
            )
            waiting_since_s = math.inf  # told; again only after there was one


def _is_connected(client: Any) -> bool:
    return bool(client.status == "running")


def _describe_loss(client: Any) -> SchedulerLost:
    return SchedulerLost(f"the Dask scheduler at {client.scheduler.address} is gone; start one again")


def _take(client: Any, future: Any, run: Run) -> Result:
    try:
        return Result.from_row(json.loads(future.result()))
    except _import_distributed().KilledWorker:
        reason = f"{_DEATHS} workers of the cluster died of it, or with it"
        return Result(
            run=run,
            id=run.resolve().id,
            status="failed",
            reason=reason,
            machine=describe_machine(),
            software=describe_software(run.allocator),
        )
    except (Exception, asyncio.CancelledError) as error:
        # A cancelled future is no Exception, and what was raised on a worker may be any.
        if not _is_connected(client) or isinstance(error, asyncio.CancelledError):
            raise _describe_loss(client) from None
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise WorkerFailed(
            f"a worker of the cluster cannot measure: {told}; install the same workbench on all hosts"
        ) from None


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep Dask from writing of lost connections: what matters of them is said in one line."""
    names = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] in _LOGGERS]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise NoProcess(
            "the package distributed is missing; pip install 'hakmem-workbench[cluster]'"
        ) from None
    return distributed


def _is_loopback(host: str) -> bool:
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(addresses) and all(ipaddress.ip_address(str(address)).is_loopback for address in addresses)
