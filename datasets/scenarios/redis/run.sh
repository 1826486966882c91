redis-server --port 0 --unixsocket socket --save '' --appendonly no --daemonize no >log &
server=$!
unset LD_PRELOAD
until redis-cli -s socket ping >/dev/null 2>&1; do
    kill -0 $server || exit 1
    sleep 0.02
done
load() { redis-benchmark -q -s socket -c 20 -r 20000 "$@" >/dev/null || exit 1; }
load -n 30000 -d 100 -t set,get,incr,lpush,sadd,hset,zadd
load -n 15000 -d 2000 -t set,get,lpop,spop,zpopmin,lrange_100
load -n 20000 set key:__rand_int__ "a value of another size"
load -n 20000 append key:__rand_int__ " and more of it, so that it grows and grows"
load -n 20000 del key:__rand_int__
redis-cli -s socket shutdown nosave
wait $server
