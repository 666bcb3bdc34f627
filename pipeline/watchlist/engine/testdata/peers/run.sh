#!/bin/sh
# Measures the engine and Hyperscan on the same phrases and the same text, in
# turn, in CPU time of one core. Takes prose and Hyperscan from Debian's packages
# (apt-get and dpkg-deb, no root) and needs a C++ compiler. Run from the top of
# the tree: make bench-peers
set -eu
dir=${1:-build/peers}
here=pipeline/watchlist/engine
mkdir -p "$dir/prose"
dir=$(cd "$dir" && pwd)
if [ ! -d "$dir/debian" ]; then
	(cd "$dir" && apt-get download libhyperscan-dev dict-gcide debian-handbook >/dev/null &&
		for deb in *.deb; do dpkg-deb -x "$deb" debian; done)
fi
[ -s "$dir/prose/gcide.txt" ] || gzip -dc <"$dir/debian/usr/share/dictd/gcide.dict.dz" >"$dir/prose/gcide.txt"
[ -s "$dir/prose/handbook.txt" ] || cat "$dir"/debian/usr/share/doc/debian-handbook/html/en-US/*.html |
	sed -e 's/<[^>]*>//g' -e 's/&[a-z]*;/ /g' >"$dir/prose/handbook.txt"
hs=$dir/hyperscan
cc -O2 -I"$dir/debian/usr/include" -o "$hs" $here/testdata/peers/hyperscan.c \
	"$(find "$dir/debian" -name libhs.a)" -lstdc++ -lm
export TOCSIN_PROSE="$dir/prose"
TOCSIN_PEERS="$dir" go test -count=1 -run TestCorpusForOtherEngines ./$here
go test -c -o "$dir/engine.test" ./$here
echo
echo "phrases   Hyperscan MB/s   matches   tocsin MB/s   matches   ratio"
for n in 10 1000 10000 100000; do
	set -- $("$hs" "$dir/docs.bin" "$dir/phrases-$n.txt")
	theirs=$(echo "$1 $2" | awk '{print $1/1e6/$2}')
	set -- "$3" $(cd "$here" && "$dir/engine.test" -test.run '^$' -test.bench "^BenchmarkPhrases/$n\$" -test.benchtime 3x |
		awk '/^Benchmark/ {for (i=3; i<NF; i+=2) m[$(i+1)]=$i; print m["MB/s"], m["matches"], m["B/rule"]}')
	echo "$n $theirs $1 $2 $3 $4" | awk '{printf "%7d %16.1f %9d %13.1f %9d %7.2f   %s B/phrase\n", $1, $2, $3, $4, $5, $4/$2, $6}'
done
echo
cd "$here" && "$dir/engine.test" -test.run '^$' -test.bench '^BenchmarkQueries/' -test.benchtime 3x | grep ^Benchmark
