# git packs a history anew with two threads.
export HOME="$PWD"
git clone --quiet --bare "$1" repository
git -C repository pack-objects --all --no-reuse-delta --threads=2 --window="$2" --stdout </dev/null >pack 2>/dev/null
sha256sum <pack
rm -r repository pack
