# Clients of a Redis server at the socket `socket`: bursts that fill it, each emptied again, and quiet times between them.
# Usage: sh redis_load.sh BURSTS REQUESTS
set -e
for burst in $(seq "$1"); do
    redis-benchmark -s socket -q -c 20 -r 50000 -n "$2" -d 300 -t set,lpush,hset >/dev/null
    redis-cli -s socket flushall >/dev/null
    sleep 0.2
done
