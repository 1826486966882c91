#!/usr/bin/env bash
# Sees to the system packages that a task needs. As root on Debian or its kin it installs the missing
# ones and nothing else; otherwise it names them, with the command to run, and fails.
#
#   scripts/debian_packages.sh build|test|check|soak|bench|datasets
#
# A need is known by what it provides, not by a package's name: what came from elsewhere counts too.
set -euo pipefail

task=${1:?usage: scripts/debian_packages.sh build|test|check|soak|bench|datasets}
python=${PYTHON:-python3}
PATH=$PATH:/usr/sbin:/sbin # ldconfig, for those who are not root
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

has_command() { command -v "$1" >/dev/null; }
# grep reads to the end (no -q): under pipefail a writer that is cut off would count as a failure.
has_library() { ldconfig -p | grep "[[:space:]]$1" >/dev/null; }
has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
has_python_headers() {
    "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null
}
has_c_library_headers() { echo '#include <stdlib.h>' | "${CC:-cc}" -E - -o "$scratch/headers" 2>/dev/null; }
# clang may be there without the sanitizers' run-time libraries: only linking tells.
has_sanitizers() {
    local sanitizer
    for sanitizer in address undefined thread; do
        echo 'int main(void) { return 0; }' |
            clang "-fsanitize=$sanitizer" -x c - -o "$scratch/$sanitizer" 2>/dev/null || return 1
    done
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer -x c - -o "$scratch/fuzzer" 2>/dev/null
}

# Its programs are not on PATH.
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

missing=()
# need PACKAGE[|OTHER NAME] PROBE...: notes the package if the probe fails. The first name that this
# release of the distribution knows is taken.
need() {
    local names=$1
    shift
    "$@" || missing+=("$names")
}

need_build() {
    need python3-venv has_venv
    need python3-dev has_python_headers
    need gcc has_command "${CC:-cc}"
    need libc6-dev has_c_library_headers
    need make has_command make
}

need_test() {
    need chromium has_command chromium
    need g++ has_command g++
    need gdb has_command gdb
    need git has_command git
    need libcap2-bin has_command capsh
    need redis-server has_command redis-server
    need redis-tools has_command redis-benchmark
    need sqlite3 has_command sqlite3
    need spin has_command spin
    need strace has_command strace
    need valgrind has_command valgrind
    need lua5.4 has_command lua5.4
    need perl has_command perl
    need nginx has_command nginx
    need apache2-utils has_command ab
    need postgresql has_postgresql
    need libjemalloc2 has_library libjemalloc.so.2
    need 'libtcmalloc-minimal4t64|libtcmalloc-minimal4' has_library libtcmalloc_minimal.so.4
    need 'libmimalloc2.0|libmimalloc2|libmimalloc3' has_library libmimalloc.so
}

need_check() {
    need clang has_command clang
    need libclang-rt-dev has_sanitizers
    need gcc-aarch64-linux-gnu has_command aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdlib.h
    need qemu-user has_command qemu-aarch64
}

need_bench() {
    need gawk has_command gawk
    need ruby has_command ruby
    need rustc has_command rustc
    need zstd has_command zstd
}

# CPython's own tests, for the system's Python; Redis's are in Tcl and come as a source package.
has_python_tests() { /usr/bin/python3 -c 'import test.test_mmap' 2>/dev/null; }
need_soak() {
    need "libpython$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite" \
        has_python_tests
    need dpkg-dev has_command dpkg-source
    need tcl has_command tclsh
}

# What `workbench datasets rebuild` records; nothing else needs them.
need_datasets() {
    need g++ has_command g++
    need gcc has_command gcc
    need git has_command git
    need jq has_command jq
    need librsvg2-bin has_command rsvg-convert
    need libstb-dev test -f /usr/include/stb/stb_image.h
    need lua5.4 has_command lua5.4
    need lynx has_command lynx
    need perl has_command perl
    need qpdf has_command qpdf
    need redis-server has_command redis-server
    need redis-tools has_command redis-benchmark
    need sqlite3 has_command sqlite3
    need xz-utils has_command xz
}

first_known() {
    local name
    for name in ${1//|/ }; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "${1##*|}"
}

list_missing() {
    missing=()
    case $task in
        build) need_build ;;
        test) need_build && need_test ;;
        bench) need_build && need_test && need_bench ;;
        check) need_build && need_test && need_check ;;
        soak) need_build && need_test && need_check && need_soak ;;
        datasets) need_datasets ;;
    esac
}

case $task in
    build | test | check | soak | bench | datasets) list_missing ;;
    *) echo "debian_packages.sh: unknown task '$task'; use build, test, check, soak, bench or datasets" >&2 && exit 2 ;;
esac
[ ${#missing[@]} -gt 0 ] || exit 0

if ! has_command apt-get; then
    echo "Missing for 'make $task': ${missing[*]%%|*} (Debian's names)." >&2
    echo "Install them with this system's package manager, then run the same command again." >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet --quiet
fi
packages=()
for names in "${missing[@]}"; do
    packages+=("$(first_known "$names")")
done
if [ "$(id -u)" -ne 0 ]; then
    echo "Missing for 'make $task': ${packages[*]}. Install with" >&2
    echo "    sudo apt-get install ${packages[*]}" >&2
    echo "then run the same command again." >&2
    exit 1
fi
echo "installing ${packages[*]}"
apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}" >/dev/null
list_missing
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installed, yet not to be found: ${missing[*]}." >&2
    exit 1
fi
