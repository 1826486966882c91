"""serve-metrics: what control blocks and probes show, for Prometheus and Grafana."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.api.processes import find_target_blocks
from workbench.commands.arguments import path_option, probe_option
from workbench.commands.output import Answer, json_option
from workbench.commands.targets import Target, targets_argument
from workbench.control import BlockInfo, find_blocks
from workbench.errors import BadParameter, WorkbenchError
from workbench.output_file import write_output

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PATH = "/metrics"


@click.command("serve-metrics")
@targets_argument
@click.option(
    "--port", default=9709, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; any other address lets other machines read the figures.",
)
@probe_option
@path_option("--dashboard", "dashboard_path", help="Write the dashboard for Grafana to this file, and end.")
@json_option
def serve_metrics(
    targets: tuple[Target, ...],
    port: int,
    address: str,
    probes: tuple[str, ...],
    dashboard_path: Path | None,
    as_json: bool,
) -> None:
    """Serve metrics and settings in Prometheus's format, until Ctrl-C.

    Those of the processes and groups that are named; without any, of all that can be tuned.
    """
    if dashboard_path is not None:
        from workbench.api.dashboard import make_dashboard

        text = json.dumps(make_dashboard(), indent=2) + "\n"
        write_output(dashboard_path, text, "a dashboard", lambda found: '"panels"' in found)
        words = f"{dashboard_path}: import it in Grafana (Dashboards, New, Import)"
        Answer({"dashboard": dashboard_path}, words).show(as_json)
        return
    from prometheus_client import make_wsgi_app, start_http_server

    from workbench.api.openmetrics import make_registry
    from workbench.probes import ProbeReader, read_probe

    def find() -> list[BlockInfo]:
        if not targets:
            return find_blocks()
        found: dict[Path, BlockInfo] = {}
        for target in targets:
            with contextlib.suppress(WorkbenchError):  # none of it runs now
                found |= {info.path: info for info in find_target_blocks(target)}
        return list(found.values())

    for target in targets:
        find_target_blocks(target)  # says what is wrong with it
    given = [read_probe(text, lambda: [info.pid for info in find()]) for text in probes]
    with ProbeReader(given) as reader:
        registry = make_registry(find, reader)
        try:
            server, _ = start_http_server(port, address, registry)
        except OSError as error:
            is_address = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            option = "--address" if is_address else "--port"
            raise BadParameter(
                f"{address}, port {port}: {error.strerror}; choose another with {option}"
            ) from None
        server.set_app(_serve_only(_PATH, make_wsgi_app(registry)))
        try:
            shown = f"[{address}]" if ":" in address else address
            url = f"http://{shown}:{server.server_port}{_PATH}"
            Answer({"url": url}, f"{url} (Ctrl-C ends)").show(as_json)
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            server.shutdown()
            server.server_close()


def _serve_only(path: str, app: WSGIApplication) -> WSGIApplication:
    """Answer 404 for every other path; the application itself serves the same for all of them."""

    def serve(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environment["PATH_INFO"] == path:
            return app(environment, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"nothing is here; the metrics are at {path}\n".encode()]

    return serve
