# Ringwall in a container, for the guard of a host (`ringwall host render --format compose`). Name the base by its digest:
#   docker build --build-arg PYTHON=docker.io/library/python:3.14-slim-bookworm@sha256:… --tag ringwall .
ARG PYTHON=docker.io/library/python:3.14-slim-bookworm

FROM ${PYTHON} AS build
COPY . /src
WORKDIR /src
# Every package has the hash of the lock file; what is not in it is not installed.
RUN python -m venv /opt/ringwall \
 && /opt/ringwall/bin/python -m pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock \
 && /opt/ringwall/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${PYTHON}
COPY --from=build /opt/ringwall /opt/ringwall
# A new volume takes over the owner of the folder that it stands for.
RUN install -d -m 0755 /etc/ringwall \
 && install -d -m 0700 -o 10001 -g 10001 /var/lib/ringwall \
 && install -d -m 0750 -o 10001 -g 10001 /var/log/ringwall
ENV PATH=/opt/ringwall/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["ringwall"]
