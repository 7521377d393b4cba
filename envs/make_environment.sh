#!/bin/sh
# Makes the environment of the project, from the locked versions, checked against their hashes. Called by the Makefile.
# VENV: its folder. PYTHON: an interpreter to take; else the first of 3.11, 3.12, 3.13 that is here, else uv brings one.
# CPU: if not empty, without what only NVIDIA GPUs need.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
: "${CPU:=}" "${PYTHON:=}"

say() { printf '%s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }

suits() { # whether an interpreter is of a version that the project runs on
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

has_venv() { # whether an interpreter can make environments that have pip; Debian's needs a package for it
    "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}

if [ -n "$PYTHON" ]; then
    suits "$PYTHON" || stop "PYTHON is $PYTHON, which is no Python 3.11, 3.12 or 3.13 that runs; leave it out, or name another."
else
    for each in python3.11 python3.12 python3.13 python3 python; do
        if suits "$each" && has_venv "$each"; then PYTHON=$each; break; fi
    done
fi

# What is remembered of an environment that is there: the choice for processors alone.
if [ -f "$venv/.without-cuda" ]; then
    CPU=1
elif [ -n "$CPU" ] && [ -f "$venv/.ready" ]; then
    stop "$venv has the CUDA build already; to change it for the lighter one: make clean-environment, then make CPU=1 ..."
fi

case $(uname -s) in
    Darwin) say "Setting up $venv: about 0.4 GB to download, 1.2 GB installed." ;;
    *) if [ -n "$CPU" ]; then
        say "Setting up $venv for processors alone: about 0.5 GB to download, 2 GB installed."
    else
        say "Setting up $venv: about 3.3 GB to download, 6.3 GB installed, most of it PyTorch's CUDA build." \
            "For processors alone, a third of it: make CPU=1 ..."
    fi ;;
esac

# The environment, with the locked uv in it. Without a Python that suits, any other Python brings uv, and uv a Python.
if [ -n "$PYTHON" ]; then
    "$PYTHON" -m venv "$venv"
    uv="$venv/bin/uv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r envs/uv.lock
else
    uv=$(command -v uv || true)
    if [ -z "$uv" ]; then
        for each in python3 python /usr/bin/python3; do
            if has_venv "$each"; then PYTHON=$each; break; fi
        done
        [ -n "$PYTHON" ] || stop "Neither Python 3.11 to 3.13 nor uv is here, and no Python that can fetch uv." \
            "Install one of them, then call make again; on Debian python3-venv is a package of its own."
        rm -rf "$venv-uv"
        "$PYTHON" -m venv "$venv-uv"
        "$venv-uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r envs/uv.lock ||
            stop "pip of $PYTHON could not install uv; install uv or Python 3.11 to 3.13 yourself, then call make again."
        uv="$venv-uv/bin/uv"
    fi
    say "No Python 3.11 to 3.13 that can make environments is on the path: uv brings Python 3.11, about 30 MB."
    "$uv" venv --quiet --clear --seed --python 3.11 "$venv" ||
        stop "uv could not bring Python 3.11; install Python 3.11, 3.12 or 3.13 yourself, then call make again."
    "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r envs/uv.lock
    rm -rf "$venv-uv"
    uv="$venv/bin/uv"
fi

# Compiled once: a study starts hundreds of programs, and where Python may not write beside the packages, be it for
# PYTHONDONTWRITEBYTECODE or for the folder's owner, each would compile PyTorch anew (5 seconds instead of 2).
install() { "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"; }

without() { # the lock file without packages whose names match a pattern
    awk -v pattern="^($1)==" '/^[^ ]/ { keep = $0 !~ pattern } keep' requirements.lock
}

# Packages that the CUDA build of PyTorch is not linked with: compilers, profilers, bindings, one solver.
ONLY_AT_WORK="triton|cuda-bindings|cuda-pathfinder|nvidia-cuda-cccl|nvidia-cuda-cupti|nvidia-cusolver|nvidia-nvtx"

if [ -z "$CPU" ] || [ "$(uname -s)" = Darwin ]; then
    install --require-hashes -r requirements.lock
else
    touch "$venv/.without-cuda"
    rest="$venv/requirements-without-cuda.lock"
    without "nvidia-[^=]*|cuda-[^=]*|triton|torch|torchvision" >"$rest"
    install --require-hashes --no-deps -r "$rest"
    # The same versions as PyTorch builds them for processors. They are in no lock: their hashes are other ones.
    # shellcheck disable=SC2046
    if ! install --no-deps --torch-backend cpu $(awk '/^(torch|torchvision)==/ { print $1 }' requirements.lock); then
        say "PyTorch's builds for processors cannot be had here. Taking the locked build, with the libraries it is" \
            "linked with and without the rest of CUDA: about 2.7 GB to download, 5 GB installed."
        without "$ONLY_AT_WORK" >"$rest"
        install --require-hashes --no-deps -r "$rest"
    fi
fi
install --no-deps --editable .
"$venv/bin/python" -m compileall -q src
touch "$venv/.ready"
