# The C compiler on a large file; what it writes is the result.
gcc -O1 -S -o work.s "$1"
sha256sum <work.s
