"""kernel: what Jupyter finds after an installation, what is refused, and that only ours are removed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.cli.terminal import Finished, assert_refused, run_workbench
from workbench.allocators import allocators


@pytest.fixture(autouse=True)
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Jupyter looks for this user's kernels."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "kernels"


def kernel(*arguments: object, env: dict[str, str] | None = None) -> Finished:
    return run_workbench("kernel", *arguments, env=env)


def list_names(*arguments: object) -> list[str]:
    return [one["name"] for one in kernel("list", *arguments, "--json").json]


def list_folders(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def plant(folder: Path) -> None:
    """A kernel that is not ours."""
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["true"], "display_name": "Other", "language": "python"}')


def test_there_is_one_for_each_allocator_at_hand(kernels: Path) -> None:
    assert "kernel install" in kernel("list").stdout
    done = kernel("install")
    available = [one.name for one in allocators() if one.available]
    assert len(available) >= 2
    assert "Python 3 (hakmem): installed as python3-hakmem" in done.stdout
    assert list_names() == sorted(f"python3-{name}" for name in available)
    shown = {name: spec["spec"] for name, spec in KernelSpecManager().get_all_specs().items()}
    assert {f"Python 3 ({name})" for name in available} <= {spec["display_name"] for spec in shown.values()}
    ours, glibc = shown["python3-hakmem"], shown["python3-glibc"]
    assert ours["argv"][0] == sys.executable
    assert ours["env"]["LD_PRELOAD"].endswith("/libhakmem.so")
    assert ours["env"]["PYTHONMALLOC"] == "malloc"
    assert glibc["env"]["LD_PRELOAD"].endswith("/libworkbench-agent.so")

    plant(kernels / "other")
    assert_refused(kernel("remove", "other"), "other", "not one of ours", "jupyter kernelspec remove")
    assert_refused(kernel("remove", "python3-hakme"), "python3-hakmem")
    assert "removed" in kernel("remove", "python3-hakmem").stdout
    assert not (kernels / "python3-hakmem").exists()
    kernel("remove")
    assert list_folders(kernels) == ["other"]


def test_one_is_installed_as_it_is_asked_for(kernels: Path, tmp_path: Path) -> None:
    options = ["--name", "Tuned", "--display-name", "My tuned one", "--set", "tls.max_slots=512"]
    prefix = tmp_path / "some prefix"
    done = kernel("install", "hakmem", *options, "--keep-pythonmalloc", "--prefix", prefix)
    assert done.stdout == f"My tuned one: installed as tuned in {prefix}/share/jupyter/kernels\n"
    spec = json.loads((prefix / "share/jupyter/kernels/tuned/kernel.json").read_text())
    assert spec["env"]["HAKMEM_TLS_MAX_SLOTS"] == "512"
    assert "PYTHONMALLOC" not in spec["env"]
    assert list_names() == []
    assert list_names("--prefix", prefix) == ["tuned"]
    # Again, with other options: it is ours, so it is replaced, and nothing is left beside it.
    kernel("install", "hakmem", "--name", "tuned", "--prefix", prefix)
    spec = json.loads((prefix / "share/jupyter/kernels/tuned/kernel.json").read_text())
    assert (spec["display_name"], "HAKMEM_TLS_MAX_SLOTS" in spec["env"]) == ("Python 3 (hakmem)", False)
    assert list_folders(prefix / "share/jupyter/kernels") == ["tuned"]
    kernel("remove", "tuned", "--prefix", prefix)
    assert list_folders(prefix / "share/jupyter/kernels") == []


def test_what_cannot_be_installed_is_refused_and_changes_nothing(kernels: Path, tmp_path: Path) -> None:
    plant(kernels / "python3-glibc")
    assert_refused(kernel("install", "hakmem", "glibc"), "python3-glibc", "not one of ours", "--name")
    assert_refused(kernel("install", "hakmem", "nonsense"), "nonsense")
    table = tmp_path / "table.toml"
    table.write_text('[absent]\nkind = "absent"\nlibrary = "libabsent.so"\npackage = "libabsent"\n')
    table_variable = {"WORKBENCH_ALLOCATORS": str(table)}
    assert_refused(
        kernel("install", "hakmem", "absent", env=table_variable), "absent is missing", "libabsent"
    )
    assert_refused(kernel("install", "--name", "one"), "name one allocator")
    assert_refused(kernel("install", "--set", "tls.max_slots=512"), "one allocator")
    assert_refused(kernel("install", "hakmem", "--set", "tls.max_slots=-1"), "tls.max_slots")
    assert_refused(kernel("install", "hakmem", "--name", "a/b"), "a/b", "letters")
    assert_refused(kernel("install", "hakmem", "--user", "--sys-prefix"), "--sys-prefix")
    (tmp_path / "file").write_text("")
    assert_refused(
        kernel("install", "hakmem", "--prefix", tmp_path / "file"), "cannot be written", "--prefix"
    )
    assert list_folders(kernels) == ["python3-glibc"]


def test_a_python_or_an_allocator_that_is_gone_is_told(kernels: Path) -> None:
    kernel("install", "hakmem")
    path = kernels / "python3-hakmem" / "kernel.json"
    spec = json.loads(path.read_text())
    spec["argv"][0] = "/gone/bin/python"
    path.write_text(json.dumps(spec))
    assert "/gone/bin/python is gone; install it again, or remove it" in kernel("list").stdout
    with pytest.raises(FileNotFoundError, match="/gone/bin/python"):
        KernelManager(kernel_name="python3-hakmem").start_kernel()
    spec["argv"][0], spec["env"]["LD_PRELOAD"] = sys.executable, "/gone/libhakmem.so"
    path.write_text(json.dumps(spec))
    (told,) = kernel("list", "--json").json
    assert told["problem"].startswith("/gone/libhakmem.so is gone")
