python3 -s server.py &
server=$!
LD_PRELOAD= python3 -s client.py
wait $server
