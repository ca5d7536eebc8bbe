#!/bin/sh
# Trains lite_unet on one accelerator for some minutes, with JAX and without TensorFlow, and packs the results.
#
#   sh scripts/accelerator.sh OUT MINUTES VAL DATA... [-- OPTION...]
#
# OUT: folder of the run; the same command resumes in it.  VAL, DATA: folders or archives of photographs.
# OPTION: of python -m training.loop.jax, such as --set batch=512.
#
# In the environment, if need be:
#   PYTHON   the interpreter that has JAX for the accelerator (python3)
#   WHEELS   folder of wheels to install first, without a network: keras, namex, optree and what else PYTHON lacks
#   RESULTS  folder for the results in parts of at most 15 MiB; put them together with: cat run.tar.* | tar x
set -eu

[ $# -ge 4 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1 minutes=$2 val=$3
shift 3

# Turns DATA... into --data DATA..., and keeps what follows --.
count=$#
options=0
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    if [ "$options" -eq 1 ]; then
        set -- "$@" "$word"
    elif [ "$word" = -- ]; then
        options=1
    else
        set -- "$@" --data "$word"
    fi
done

python=${PYTHON:-python3}
home=$(cd "$(dirname "$0")/.." && pwd)
export KERAS_BACKEND=jax PYTHONUNBUFFERED=1 PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}"
# A resumed run compiles nothing anew.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$out/cache/xla}"
if [ -n "${WHEELS:-}" ]; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$WHEELS"/*.whl
    export PYTHONPATH="$PYTHONPATH:$site"
fi

status=0
"$python" -m training.loop.jax lite_unet_photos_v3 --out "$out" --minutes "$minutes" --val "$val" --compact "$@" ||
    status=$?

if [ -n "${RESULTS:-}" ] && [ -d "$out" ]; then
    mkdir -p "$RESULTS"
    rm -f "$RESULTS"/run.tar.*
    tar c -C "$out" --exclude=cache --exclude=checkpoints . | split -b 15M - "$RESULTS/run.tar."
fi
exit "$status"
