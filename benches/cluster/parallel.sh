#!/bin/bash
# Makes all runs of `orthoscope reproduce` in several processes with GNU parallel, and merges them:
#
#     bash benches/cluster/parallel.sh PARTS ROOT OUT [options of reproduce, e.g. --seeds 3]
#
# PARTS processes share the cores of this machine. Started again, it goes on where it was. For other machines with the same folders, give
# parallel their names: PARALLEL='--sshlogin node1,node2 --workdir .' bash benches/cluster/parallel.sh ...
#
# All parts must have the same number of steps. Without an option it is that of the config. `--budget` is refused here, because each part
# would estimate a number alone: `orthoscope reproduce --budget MINUTES --dry-run` prints one, to be given here as --steps.
set -eu
if [ $# -lt 3 ] || ! [ "$1" -ge 1 ] 2>/dev/null; then
    echo "usage: bash benches/cluster/parallel.sh PARTS ROOT OUT [options of reproduce]" >&2
    exit 2
fi
parts=$1 root=$2 out=$3
shift 3
threads=$(($(nproc) / parts))
parallel -q --halt soon,fail=1 --line-buffer --tag -j "$parts" \
    orthoscope reproduce --data "$root" --out "$out/part-{}" --shard "{}/$parts" --threads $((threads > 0 ? threads : 1)) "$@" \
    ::: $(seq "$parts")
orthoscope reproduce --merge "$out"/part-* --out "$out/merged"
