# redis-server under redis-benchmark; only the server has the allocator that is measured.
redis-server --port 0 --unixsocket socket --save '' --appendonly no >log &
server=$!
unset LD_PRELOAD
until redis-cli -s socket ping >/dev/null 2>&1; do
    kill -0 $server || exit 1
    sleep 0.01
done
load() { redis-benchmark -q -s socket -c 20 -P 8 -r 100000 "$@" >/dev/null || exit 1; }
load -n "$1" -d 100 -t set,get,lpush,sadd,hset,zadd
load -n "$1" -d 1000 -t set,get,lpop,spop,zpopmin
load -n "$1" append key:__rand_int__ " and more of it, so that it grows"
redis-cli -s socket shutdown nosave
wait $server
echo served
