#!/bin/bash
# Makes all runs of `orthoscope reproduce` in several processes with GNU parallel, and merges them:
#
#     bash benches/cluster/parallel.sh PARTS ROOT OUT [options of reproduce, e.g. --seeds 3]
#
# PARTS processes share the cores of this machine. Started again, it goes on where it was. For other machines with the same folders, give
# parallel their names: PARALLEL='--sshlogin node1,node2 --workdir .' bash benches/cluster/parallel.sh ...
set -eu
parts=$1 root=$2 out=$3
shift 3
threads=$(($(nproc) / parts))
parallel -q --halt soon,fail=1 --line-buffer --tag -j "$parts" \
    orthoscope reproduce --data "$root" --out "$out/part-{}" --shard "{}/$parts" --threads $((threads > 0 ? threads : 1)) "$@" \
    ::: $(seq "$parts")
orthoscope reproduce --merge "$out"/part-* --out "$out/merged"
