#!/bin/bash
# Makes all runs of `orthoscope reproduce` as a Slurm job array, one part of the runs for each task, and then merges them:
#
#     sbatch --array=1-8 benches/cluster/slurm.sh ROOT OUT [options of reproduce, e.g. --seeds 3]
#
# When the array is done, the same script merges the parts (on the machine where you call it, which takes seconds):
#
#     bash benches/cluster/slurm.sh merge OUT
#
# A task that is killed or runs out of time goes on where it was: submit the same array again. All tasks must use the same device and
# program, or the merge refuses them. Without a GPU, remove the line with --gpus.
#SBATCH --job-name=orthoscope
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --gpus=1
#SBATCH --time=24:00:00
#SBATCH --output=orthoscope-%A_%a.log
set -eu
if [ "$1" = merge ]; then
    exec orthoscope reproduce --merge "$2"/part-* --out "$2"/merged
fi
root=$1 out=$2
shift 2
part=$SLURM_ARRAY_TASK_ID
count=$SLURM_ARRAY_TASK_COUNT
exec orthoscope reproduce --data "$root" --out "$out/part-$part" --shard "$part/$count" --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
