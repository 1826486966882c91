"""After a workload all of its memory is with the system again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WORKLOADS = ("larson", "random_mixed", "sh8", "mid_churn", "mstress", "site_churn")
SPARE_BYTES = 16 << 20  # the interpreter's own, and stacks of threads


def test_memory_comes_back(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "tests" / "reliability" / "aftermath.py"), "0.3", *WORKLOADS],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert [outcome["workload"] for outcome in outcomes] == list(WORKLOADS)
    for outcome in outcomes:
        assert outcome["status"] == "completed"
        assert (
            outcome["os.committed_bytes"] == outcome["heap.handed_out_bytes"] == outcome["ss.busy_slabs"] == 0
        )
        assert outcome["resident_after_bytes"] < outcome["resident_before_bytes"] + SPARE_BYTES
