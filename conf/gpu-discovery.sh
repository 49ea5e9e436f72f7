#!/bin/sh
# Tells Spark which GPUs this host, or this container, has:
# spark.executor.resource.gpu.discoveryScript (YARN, Kubernetes), spark.worker.resource.gpu.discoveryScript
# (standalone). Names them as CUDA_VISIBLE_DEVICES does where that is set, else by nvidia-smi's numbers.
set -eu
if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
    gpus=$CUDA_VISIBLE_DEVICES
else
    gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader)
fi
printf '{"name": "gpu", "addresses": ['
echo "$gpus" | tr -s ', \n' '\n' | sed '/^$/d; s/.*/"&"/' | paste -sd, - | tr -d '\n'
printf ']}\n'
