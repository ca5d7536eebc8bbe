#!/bin/bash
# Succeeds if every model of a models.config has a version that is AVAILABLE: healthcheck.sh [FILE [PORT]].
#
# TF Serving answers GET /v1/models/NAME with status 200 whatever the state of the model, so the body has to be read.
# Its image has only bash and coreutils: no curl, and no gRPC probe.
set -euo pipefail

file=${1:-/models/models.config}
port=${2:-8501}

names=$(sed -n 's/^    name: "\(.*\)"$/\1/p' "$file")
[ -n "$names" ] || { echo "$file names no model" >&2; exit 1; }
for name in $names; do
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$name" >&3
    timeout 4 grep -q '"state": *"AVAILABLE"' <&3 || { echo "$name is not available" >&2; exit 1; }
done
