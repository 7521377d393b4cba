#!/bin/sh
# Part of a lock file, with its hashes: `large` (PyTorch and what only NVIDIA GPUs need), `small` (all the rest), or
# `torch` (names and versions of PyTorch's own packages, without hashes).
set -eu
case $1 in
    large) awk '/^[^ ]/ { keep = $0 ~ /^(torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*)==/ } keep' "$2" ;;
    small) awk '/^[^ ]/ { keep = $0 !~ /^(torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*)==/ } keep' "$2" ;;
    torch) awk '/^(torch|torchvision)==/ { print $1 }' "$2" ;;
    *) echo "$1 is no part of a lock file; expected large, small or torch" >&2; exit 2 ;;
esac
