# The environment of runs on TPUs: as Dockerfile, without CUDA and with PyTorch's backend for TPUs in its place.
#     docker build -f container/tpu.Dockerfile -t REGISTRY/transfer-atlas-tpu:TAG .
# torch-tpu asks for glibc 2.31 or later, and at run time for a TPU VM, whose library (libtpu) it brings.
FROM python:3.11-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/transfer-atlas

COPY envs/uv.lock envs/uv.lock
RUN pip install --no-cache-dir --require-hashes -r envs/uv.lock

# PyTorch of the locked version as built for processors, and the backend. Of them the lock file has no hashes: their
# files are not those of the CUDA build.
COPY requirements.lock container/part_of_lock.sh envs/tpu.lock ./
RUN ./part_of_lock.sh torch requirements.lock > torch.txt \
    && uv pip install --system --no-cache --no-deps --torch-backend cpu -r torch.txt \
    && uv pip install --system --no-cache --no-deps --require-hashes -r tpu.lock

RUN ./part_of_lock.sh small requirements.lock > small.lock \
    && uv pip install --system --no-cache --no-deps --require-hashes -r small.lock

COPY envs/clouds.lock ./
RUN uv pip install --system --no-cache --no-deps --require-hashes -r clouds.lock

COPY . .
RUN uv pip install --system --no-cache --no-deps --editable . \
    && git config --system --add safe.directory '*' \
    && useradd --create-home --uid 1000 atlas

USER 1000
WORKDIR /workdir
