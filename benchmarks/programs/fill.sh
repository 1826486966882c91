# redis-server filled by itself; only the server has the allocator that is measured.
redis-server --port 0 --unixsocket socket --save '' --appendonly no --enable-debug-command local >log &
server=$!
unset LD_PRELOAD
until redis-cli -s socket ping >/dev/null 2>&1; do
    kill -0 $server || exit 1
    sleep 0.01
done
redis-cli -s socket debug populate "$1" key 100 >/dev/null
redis-cli -s socket eval 'for i = 1, tonumber(ARGV[1]) do redis.call("hset", "h" .. i % 1000, i, i * i) end' 0 "$1" >/dev/null
redis-cli -s socket shutdown nosave
wait $server
echo filled
