LD_PRELOAD= awk 'BEGIN { srand(2); for (i = 0; i < 500000; i++) print "line", i, int(rand() * 1000) }' >lines.txt
xz --threads=2 --block-size=1MiB --keep -2 lines.txt
