#!/bin/bash
# Stage 1 as a job on a Ray cluster, whose machines have /facefold (made with EXTRAS=ray) and /shared:
# bash docs/cluster/preprocess.ray.sh
# Paths go to the machines and names come back; the same command goes on where a job was stopped.
set -euo pipefail

DASHBOARD=${DASHBOARD:-http://127.0.0.1:8265}
DATA=${DATA:-/shared/photos}
CACHE=${CACHE:-/shared/caches/mine}

ray job submit --address="$DASHBOARD" -- \
  bash -c "cd /facefold && exec .venv/bin/python -m preprocess --data '$DATA' --cache '$CACHE' --engine ray --ray-address auto"
