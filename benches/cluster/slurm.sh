#!/bin/bash
# Makes all runs of `orthoscope reproduce` as a Slurm job array, one part of the runs for each task, and then merges them:
#
#     sbatch --array=1-8 benches/cluster/slurm.sh 8 ROOT OUT [options of reproduce, e.g. --seeds 3]
#
# When the array is done, the same script merges the parts (on the machine where you call it, which takes seconds):
#
#     bash benches/cluster/slurm.sh merge OUT
#
# The first argument is the number of parts. A task that is killed or runs out of time goes on where it was: submit it again, alone
# (`--array=3`) or with the whole array. All tasks must use the same device and program, or the merge refuses them. Without a GPU, remove the
# line with --gpus. The number of steps is that of the config or of --steps; parallel.sh says how to choose it by time.
#SBATCH --job-name=orthoscope
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --gpus=1
#SBATCH --time=24:00:00
#SBATCH --output=orthoscope-%A_%a.log
set -eu
if [ "${1-}" = merge ] && [ $# -eq 2 ]; then
    exec orthoscope reproduce --merge "$2"/part-* --out "$2"/merged
fi
if [ $# -lt 3 ] || [ "$1" = merge ] || [ -z "${SLURM_ARRAY_TASK_ID-}" ]; then
    echo "usage: sbatch --array=1-PARTS benches/cluster/slurm.sh PARTS ROOT OUT [options of reproduce]" >&2
    echo "       bash benches/cluster/slurm.sh merge OUT" >&2
    exit 2
fi
parts=$1 root=$2 out=$3
shift 3
part=$SLURM_ARRAY_TASK_ID
exec orthoscope reproduce --data "$root" --out "$out/part-$part" --shard "$part/$parts" --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
