#!/bin/bash
# One training on several nodes: sbatch experiments/cluster/slurm.sh [CONFIG] [WORKDIR] [FLAGS...]
# One task for each GPU; a task sees all of its node's, and JAX takes the one of its local rank.
# Every task reads the data set: prepare it where all nodes see it (--config.data.directory). The
# workdir must be on a file system that node 0 sees again after a requeue. After 20 requeues a
# failure is no longer one, since a device that fails looks like a process that died.
#SBATCH --job-name=iae_jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out

set -u
config=${1:-experiments/mnist_reconstruction.py:deterministic_20}
workdir=${2:-runs/cluster}
shift $(($# < 2 ? $# : 2))

srun --kill-on-bad-exit=0 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    python -m iae_jax.launch --distributed \
    --config="$config" --workdir="$workdir" "$@"
code=$?

# The highest code of all tasks. 143: asked to end (time is up, or preempted) and saved. 75: what
# may pass by itself. 3 and 134: another process died; 135, 137 and 139: this one did. All go on
# from the last checkpoint with the same command. 2, which says what is to be mended, does not.
case $code in
143) scontrol requeue "$SLURM_JOB_ID" ;;
3 | 75 | 134 | 135 | 137 | 139)
    [[ ${SLURM_RESTART_COUNT:-0} -ge 20 ]] || scontrol requeue "$SLURM_JOB_ID"
    ;;
esac
exit $code
