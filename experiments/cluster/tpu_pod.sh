#!/bin/bash
# One training on a Cloud TPU pod slice:
#   TPU=NAME ZONE=ZONE experiments/cluster/tpu_pod.sh [CONFIG] [WORKDIR] [FLAGS...]
# Every worker (--worker=all) needs a clone in ~/iae_jax, the package installed, and the data set
# (python -m iae_jax.data.prepare mnist, there). Run again, it goes on, if worker 0 finds its files
# again: on a persistent disk, or with --config.run.checkpoints=gs://BUCKET/FOLDER for all that is
# needed to go on. Ctrl-C ends this command and not the workers, who are ended by the same gcloud
# command with --command='pkill -TERM -f iae_jax.launch'.
set -eu
: "${TPU:?the name of the TPU VM}" "${ZONE:?its zone}"
config=${1:-experiments/mnist_reconstruction.py:deterministic_20}
workdir=${2:-runs/cluster}
shift $(($# < 2 ? $# : 2))

# Quoted once more for the workers' shell.
words=$(printf '%q ' --config="$config" --workdir="$workdir" "$@")
exec gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all \
    --command="cd iae_jax && python -m iae_jax.launch --distributed $words"
