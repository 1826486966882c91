"""serve-metrics: what control blocks and probes show, for Prometheus and Grafana."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from workbench.commands.arguments import path_option, probe_option
from workbench.commands.output import Answer, json_option
from workbench.control import find_blocks
from workbench.errors import BadParameter


@click.command("serve-metrics")
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
    port: int, address: str, probes: tuple[str, ...], dashboard_path: Path | None, as_json: bool
) -> None:
    """Serve metrics and settings of all processes that can be tuned, in Prometheus's format, until Ctrl-C."""
    if dashboard_path is not None:
        from workbench.api.dashboard import make_dashboard

        dashboard_path.write_text(json.dumps(make_dashboard(), indent=2) + "\n", encoding="utf-8")
        words = f"{dashboard_path}: import it in Grafana (Dashboards, New, Import)"
        Answer({"dashboard": dashboard_path}, words).show(as_json)
        return
    from prometheus_client import start_http_server

    from workbench.api.openmetrics import make_registry
    from workbench.probes import ProbeReader, parse_probe

    with ProbeReader(map(parse_probe, probes)) as reader:
        try:
            server, _ = start_http_server(port, address, make_registry(find_blocks, reader))
        except OSError as error:
            raise BadParameter(
                f"{address}, port {port}: {error.strerror}; choose another with --port"
            ) from None
        try:
            shown = f"[{address}]" if ":" in address else address
            url = f"http://{shown}:{server.server_port}/metrics"
            Answer({"url": url}, f"{url} (Ctrl-C ends)").show(as_json)
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            server.shutdown()
            server.server_close()
