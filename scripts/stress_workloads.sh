#!/usr/bin/env bash
# Runs every workload, and the replay of a program of several threads, with a sanitizer built in: races and
# faults of the drivers themselves. `make stress` calls it.
#
#   scripts/stress_workloads.sh BUILD_FOLDER
set -euo pipefail

runner=${1:?usage: scripts/stress_workloads.sh BUILD_FOLDER}/hakmem-run
python=${PYTHON:-python3}
dataset=python_pipeline
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# A failure's report is all that is printed.
attempt() {
    "$runner" "$@" >"$report" 2>&1 || {
        cat "$report"
        echo "scripts/stress_workloads.sh: $runner $* failed" >&2
        exit 1
    }
}

workloads=$("$runner" --list | sed -n 's/^\([a-z_0-9]*\):.*/\1/p')
for workload in $workloads; do
    [ "$workload" = replay ] || attempt --workload "$workload" --threads 4 --operations 10000
done
plan=$("$python" -c "from workbench.datasets import find
from workbench.traces.plan import find_plan
print(find_plan(find('$dataset')).path)")
attempt --workload replay --trace-plan "$plan" --param loops=1 --seconds 600
