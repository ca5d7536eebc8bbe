#!/bin/sh
# Makes .venv with everything that development needs, at the versions in requirements.lock.
# PYTHON=... names the interpreter; otherwise the newest in range that this machine has is taken.
set -eu

NEED_MB=4000 # TensorFlow, JAX and the rest take 3.2 GB installed, and the download 0.7 GB beside it.
UNFINISHED=.venv/.unfinished
IN_RANGE='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'

fail() {
    echo "setup: $1" >&2
    exit 1
}

version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

in_range() {
    "$1" -c "$IN_RANGE" 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        version=$(version_of "$PYTHON") || fail "PYTHON=$PYTHON does not run; name a Python 3.11, 3.12 or 3.13"
        in_range "$PYTHON" || fail "PYTHON=$PYTHON is Python $version; name a Python 3.11, 3.12 or 3.13"
        return
    fi
    found=
    for name in python3.13 python3.12 python3.11 python3; do
        # A version manager's shim may stand on the PATH for a version that is not active: it must run.
        version=$(version_of "$name") || continue
        if in_range "$name"; then
            PYTHON=$name
            return
        fi
        found="$name is Python $version"
    done
    fail "no Python 3.11, 3.12 or 3.13 found (${found:-no python3 on the PATH runs}); install one, or name it: make setup PYTHON=/path/to/python3.12"
}

check_disk() {
    free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mb" -ge "$NEED_MB" ] ||
        fail "$free_mb MB free on the disk of this folder, and the installation needs $NEED_MB MB; free some and run it again"
}

make_venv() {
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$PYTHON ($version) lacks the modules venv and ensurepip; on Debian and Ubuntu: sudo apt install python${version%.*}-venv"
    mkdir .venv
    touch "$UNFINISHED"
    "$PYTHON" -m venv .venv >.venv/venv.log 2>&1 ||
        fail "$PYTHON ($version) could not make .venv: $(tail -n 1 .venv/venv.log)"
    rm .venv/venv.log
}

if [ -e "$UNFINISHED" ]; then
    rm -rf .venv
fi
if [ -e .venv ]; then
    in_range .venv/bin/python || fail "the Python in .venv does not run or is not 3.11 to 3.13; remove it (rm -rf .venv) and run it again"
    version=$(version_of .venv/bin/python)
else
    find_python
    check_disk
    make_venv
fi

echo "Installing into .venv with Python $version: 0.7 GB to download if pip has not cached it, a few minutes."
.venv/bin/python -m pip install -qq --disable-pip-version-check -c requirements.lock -e '.[dev]' ||
    fail "pip could not install the packages; its message is above, and running it again is safe"
rm -f "$UNFINISHED"
touch .venv/.installed
