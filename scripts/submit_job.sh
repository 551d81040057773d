#!/usr/bin/env bash
# Submits one stream with spark-submit, for people without Airflow; the same launch as the DAGs make.
#
#   ./scripts/submit_job.sh --job-type customers --master yarn [--dry-run] [arguments of run_cdc_job.py]
#
# --master is yarn, k8s://…, spark://… or local[*]; --dry-run prints the whole command and submits nothing.
# Without an activated shell the running local stack's own settings are taken (CDC_HOME, else .local).
set -euo pipefail

repo=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=$repo/.venv/bin/python

if [ ! -x "$python" ]; then
    printf '%s has no .venv yet: `make up` makes it and starts the stack\n' "$repo" >&2
    exit 1
fi
if [ -z "${CHECKPOINT_ROOT:-}" ]; then
    activate=${CDC_HOME:-$repo/.local}/activate
    if [ ! -f "$activate" ]; then
        printf 'no stack in %s: `make up` starts one; elsewhere export what `. .local/activate` would: see include/cdc/settings.py\n' \
            "${CDC_HOME:-$repo/.local}" >&2
        exit 1
    fi
    # shellcheck disable=SC1090
    set +u && . "$activate" && set -u
fi
export PYTHONPATH=$repo/include${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -m cdc.cli submit "$@"
