#!/bin/bash
# arm64.sh: builds the native parts for 64-bit ARM and runs their tests under qemu (make arm64).
#
# qemu emulates the instructions and hands system calls to this kernel. Left out is what it emulates otherwise: in
# /proc/self/stat each thread has a start time of its own (so a thread that sets a control block takes its process for
# another), and MADV_WIPEONFORK does nothing (children). faults and metadata would take minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/arm64
export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
cmake -S native -B "$build" -G Ninja -DHAKMEM_TESTS=ON -DHAKMEM_PYTHON=OFF \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc >/dev/null
cmake --build "$build" -- --quiet

passed=0
run() {
    if ! output=$(timeout 300 qemu-aarch64 "$@" 2>&1); then
        printf 'arm64: %s failed:\n%s\n' "$*" "$output" >&2
        exit 1
    fi
    passed=$((passed + 1))
}

for name in adoption clock telemetry_table tls_cache outbox range l25_pool big_cache big_fit block_damage block_events \
    block_fork tunables; do
    run "$build/$name"
done
for bytes in 16384 65536; do
    for name in tls_cache range l25_pool big_cache; do
        run -E TEST_PAGE_BYTES=$bytes "$build/$name"
    done
done
for bytes in 4096 16384 65536; do
    HAKMEM_CONTROL=off run -E TEST_PAGE_BYTES=$bytes "$build/stress" --operations 100000 --threads 3 --seed 7
done
preload=$PWD/$build/libhakmem.so
for workload in pair random_mixed larson mstress remote large realloc_growth producer_consumer site_churn; do
    run -E LD_PRELOAD="$preload" "$build/hakmem-run" --workload $workload --operations 50000 --threads 2
done
run -E LD_PRELOAD="$PWD/$build/libworkbench-agent.so" "$build/hakmem-run" --workload pair --operations 50000
echo "arm64: ok, $passed programs under qemu"
unset QEMU_LD_PREFIX
scripts/arm64_programs.sh "$preload"
