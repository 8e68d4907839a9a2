#!/bin/sh
# Evaluates MODEL on ROOT/CATEGORY with the program ORTHOSCOPE, scores the saved maps with PYTHON and prints the comparison.
# sh record.sh ORTHOSCOPE PYTHON MODEL ROOT/CATEGORY
set -eu
orthoscope=$1 python=$2 model=$3 data=$4
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$orthoscope" evaluate --model "$model" --data "$data" --out "$work/out" --maps "$work/maps" >"$work/table.txt"
"$orthoscope" metrics --data "$data" --maps "$work/maps/$(basename "$data")/test" --json >"$work/saved.json"
"$python" "$(dirname "$0")/crosscheck.py" --data "$data" --maps "$work/maps" --metrics "$work/out/metrics.json" --saved "$work/saved.json"
