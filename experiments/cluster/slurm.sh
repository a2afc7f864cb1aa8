#!/bin/bash
# One training on several nodes: sbatch experiments/cluster/slurm.sh [CONFIG] [WORKDIR] [FLAGS...]
# One task for each GPU; a task sees all of its node's, and JAX takes the one of its local rank. The
# requeue ends after 20, since a device that fails looks like a process that died. The workdir must be
# on a file system that node 0 sees again after a requeue.
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

srun --kill-on-bad-exit=0 python -m iae_jax.launch --distributed \
    --config="$config" --workdir="$workdir" "$@"
code=$?

# 143: asked to end (time is up, or preempted) and saved. 3 and 134: another process died; 137: this
# one was killed. All go on from the last checkpoint with the same command.
case $code in
143) scontrol requeue "$SLURM_JOB_ID" ;;
3 | 134 | 137) [[ ${SLURM_RESTART_COUNT:-0} -ge 20 ]] || scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $code
