"""lab: JupyterLab, opened on a notebook."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import sys
from pathlib import Path
from urllib.parse import quote

import click

from workbench.commands.output import Answer, json_option
from workbench.errors import BadParameter

FIRST_NOTEBOOK = Path("notebooks/01_live_tuning.ipynb")
_HOST = "127.0.0.1"
# Without it JupyterLab asks about news over the panel's corner, and a notebook has empty space at its end.
_CONFIG = Path(__file__).parent / "jupyter"


@click.command()
@click.argument("notebook", metavar="[NOTEBOOK]", type=click.Path(path_type=Path), required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; by default, a free one.")
@click.option(
    "--browser/--no-browser", default=None, help="Open a browser; by default, if there is a display."
)
@json_option
def lab(notebook: Path | None, port: int | None, browser: bool | None, as_json: bool) -> None:
    """Open JupyterLab on a notebook (notebooks/01_live_tuning.ipynb unless given) and print its URL."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise BadParameter("JupyterLab is not installed in this environment; run `make setup`")
    path = _find_notebook(notebook)
    root = Path.cwd() if path.is_relative_to(Path.cwd()) else path.parent
    listen_port = _find_free_port(port)
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    relative = quote(path.relative_to(root).as_posix())
    url = f"http://{_HOST}:{listen_port}/lab/tree/{relative}?token={token}"
    Answer({"url": url, "notebook": path, "pid": os.getpid()}, f"JupyterLab: {url}").show(as_json)
    sys.stdout.flush()
    if browser is None:
        browser = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    arguments = [
        sys.executable,
        "-m",
        "jupyterlab",
        str(path),
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.ip={_HOST}",
        f"--ServerApp.port={listen_port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.open_browser={browser}",
        # Nothing here asks the outside world.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if os.geteuid() == 0:
        arguments.append("--ServerApp.allow_root=True")
    config = [str(_CONFIG), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    environment = {
        **os.environ,
        # The token goes by the environment: every user could read it in the process list.
        "JUPYTER_TOKEN": token,
        # Defaults of settings for this start alone; what the user has chosen goes before them.
        "JUPYTER_CONFIG_PATH": os.pathsep.join(config),
    }
    os.execve(sys.executable, arguments, environment)


def _find_notebook(notebook: Path | None) -> Path:
    path = (FIRST_NOTEBOOK if notebook is None else notebook).absolute()
    if path.is_file() and path.suffix == ".ipynb":
        return path
    if notebook is not None:
        raise BadParameter(f"{notebook}: no such notebook; name an .ipynb file")
    raise BadParameter(f"no {FIRST_NOTEBOOK} here; run this in the workbench's folder or name a notebook")


def _find_free_port(port: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port or 0))
        except OSError as error:
            raise BadParameter(f"--port {port}: {error.strerror}; choose another") from error
        return int(probe.getsockname()[1])
