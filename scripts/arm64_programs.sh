#!/bin/bash
# arm64_programs.sh LIBRARY: runs Debian's own programs for 64-bit ARM under qemu with the library preloaded (make arm64).
#
# Their packages are unpacked into build/arm64-programs. apt works on lists of its own there, so the machine's package lists
# and its architectures stay as they are.
set -euo pipefail
library=$(realpath -- "$1")
cd "$(dirname "$0")/.."

packages=(gawk git lua5.4 perl-base python3-minimal redis-server sqlite3 xz-utils)
folder=$PWD/build/arm64-programs root=$PWD/build/arm64-programs/root

unpack() {
    rm -rf "$folder"
    mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$root"
    touch "$folder/status"
    cat >"$folder/apt.conf" <<EOF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$folder/state";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
EOF
    export APT_CONFIG=$folder/apt.conf
    apt-get update -qq
    apt-get install -qq --yes --download-only "${packages[@]}" >/dev/null
    unset APT_CONFIG
    for package in "$folder"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    rm -r "$folder/cache" "$folder/state"
    echo "${packages[*]}" >"$folder/unpacked"
}
[ "$(cat "$folder/unpacked" 2>/dev/null)" = "${packages[*]}" ] || unpack

fail() {
    printf 'arm64: %s\n' "$*" >&2
    exit 1
}

under_qemu=(timeout 300 qemu-aarch64 -L "$root" -E LD_PRELOAD="$library")
passed=0
# Runs a program, whose output must be as told.
run() {
    local expected=$1 program=$2 output
    shift 2
    output=$("${under_qemu[@]}" "$root/usr/bin/$program" "$@" 2>&1) || fail "$program failed: $output"
    [ "$output" = "$expected" ] || fail "$program printed $output, not $expected"
    passed=$((passed + 1))
}

run True python3 -c 'print("libhakmem" in open("/proc/self/maps").read())'
run '100000 8000' python3 -c '
import threading
kept = {i: bytes(i % 900) for i in range(100_000)}
made = []
def work():
    made.extend(bytearray(size) for size in range(2_000))
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(kept), len(made))'
run 50000 perl -e 'my %of; $of{$_ % 50000} .= "x$_" for 1..200000; print scalar(keys %of)'
run 30000 gawk 'BEGIN { for (i = 0; i < 200000; i++) of[i % 30000] = of[i % 30000] "y"; print length(of) }'
run 4999 lua5.4 -e 'local t = {} for i = 1, 50000 do t[i % 5000] = ("x"):rep(i % 300) end io.write(#t)'
run '50000|50000' sqlite3 :memory: 'create table t(a, b);
with recursive c(n) as (select 1 union all select n + 1 from c where n < 50000)
    insert into t select n, hex(randomblob(20)) from c;
create index i on t(b); select count(*), count(distinct b) from t;'

scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# Compresses with two threads what xz of this machine then reads.
head -c 4000000 "$library" >"$scratch/before"
"${under_qemu[@]}" "$root/usr/bin/xz" -2 --threads=2 --block-size=1MiB --stdout "$scratch/before" | xz -d |
    cmp -s - "$scratch/before" || fail "xz does not give back what it compressed"
git init -q "$scratch/work"
for number in $(seq 60); do seq "$number" $((number * 50)) >"$scratch/work/$number"; done
git -C "$scratch/work" add .
git -C "$scratch/work" -c user.name=arm -c user.email=arm@localhost commit -q -m arm
git -C "$scratch/work" rev-list --objects --all | cut -d' ' -f1 |
    (cd "$scratch/work" && "${under_qemu[@]}" "$root/usr/bin/git" pack-objects -q --threads=2 "$scratch/pack") \
        >"$scratch/name" || fail "git pack-objects failed"
git -C "$scratch/work" index-pack --stdin <"$scratch/pack-$(cat "$scratch/name").pack" >/dev/null ||
    fail "git of this machine does not read the pack"
"${under_qemu[@]}" "$root/usr/bin/redis-server" --port 0 --unixsocket "$scratch/redis" --save '' >"$scratch/log" &
server=$!
for _ in $(seq 300); do
    [ "$(redis-cli -s "$scratch/redis" ping 2>/dev/null)" != PONG ] || break
    sleep 0.1
done
redis-benchmark -s "$scratch/redis" -q -n 5000 -c 10 -r 2000 -d 100 -t set,get,lpush,lpop,hset,zadd,mset >"$scratch/load" ||
    fail "redis-benchmark failed: $(cat "$scratch/log")"
[ "$(redis-cli -s "$scratch/redis" info stats | grep -c '^total_commands_processed:3[0-9]\{4\}')" = 1 ] ||
    fail "redis served $(redis-cli -s "$scratch/redis" info stats | grep total_commands_processed)"
redis-cli -s "$scratch/redis" shutdown nosave
wait "$server" || fail "redis-server ended with $?: $(cat "$scratch/log")"
server=
echo "arm64: ok, $((passed + 3)) of Debian's programs under qemu"
