#!/bin/bash
# Stage 1 as an array of jobs: sbatch docs/cluster/preprocess.slurm.sh, from the folder of the repository.
# Each makes the shards of its share; the one that finds all of them there finishes the cache. Shares that failed are
# given again by their numbers: sbatch --array=3,7 docs/cluster/preprocess.slurm.sh
#SBATCH --job-name=facefold-preprocess
#SBATCH --array=0-15
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail

# As many as --array has at first; not SLURM_ARRAY_TASK_COUNT, which is smaller when only some are given again.
SHARES=16
DATA=${DATA:-/shared/photos}
CACHE=${CACHE:-/shared/caches/mine}

.venv/bin/python -m preprocess --data "$DATA" --cache "$CACHE" \
  --shard "$SLURM_ARRAY_TASK_ID/$SHARES" --workers "$SLURM_CPUS_PER_TASK"
