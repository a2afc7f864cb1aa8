#!/bin/bash
# A sweep as a job array, one run a task on one GPU:
#   sbatch --array=0-LAST experiments/cluster/slurm_sweep.sh [EXPERIMENT] [FLAGS...]
# LAST is variants x seeds - 1, with --grid variants x combinations x seeds - 1. Runs that
# are in the results are skipped, broken ones go on.
# When all are done, the same sweep without --only draws the figures. Their records are kept under a
# lock: the file system must have locks between nodes.
#SBATCH --job-name=iae_jax_sweep
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.out

set -u
experiment=${1:-mnist_reconstruction}
shift $(($# < 1 ? $# : 1))

srun --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m iae_jax.sweep "$experiment" --seeds=3 \
    --only="$SLURM_ARRAY_TASK_ID" "$@"
code=$?
case $code in
143) scontrol requeue "$SLURM_JOB_ID" ;;
75 | 137) [[ ${SLURM_RESTART_COUNT:-0} -ge 20 ]] || scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $code
