#!/bin/bash
# Stage 2, one network on the GPUs of several machines: sbatch docs/cluster/train.slurm.sh, from the folder of the
# repository, which all machines share. The same command goes on where a job was stopped.
#SBATCH --job-name=facefold-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

# As many as --gpus-per-node.
GPUS=4
RECIPE=${RECIPE:-recipes/face.toml}
CACHE=${CACHE:-/shared/caches/mine}
RUNS=${RUNS:-/shared/runs}
FOLD=${FOLD:-0}

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
export OMP_NUM_THREADS=$((SLURM_CPUS_PER_TASK / GPUS))

srun .venv/bin/python -m torch.distributed.run \
  --nnodes="$SLURM_NNODES" --nproc-per-node="$GPUS" --max-restarts=3 \
  --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$head:29400" \
  -m train --recipe "$RECIPE" --cache "$CACHE" --fold "$FOLD" --runs "$RUNS" --device cuda
