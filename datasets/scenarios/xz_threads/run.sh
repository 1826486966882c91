LD_PRELOAD= awk 'BEGIN { srand(2); for (i = 0; i < 700000; i++) print "line", i, int(rand() * 1000) }' >lines.txt
xz --threads=2 --block-size=2MiB --keep -3 lines.txt
