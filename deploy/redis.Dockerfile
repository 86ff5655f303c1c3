# Debian's Redis, for compose.yaml: no password, because only daemon, code location and workers share
# its network, and what waits in it names runs, nothing else.

FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
RUN apt-get update \
    && apt-get install --yes --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/*
USER redis
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/var/lib/redis", \
     "--appendonly", "yes", "--save", "", "--maxmemory", "200mb", "--maxmemory-policy", "noeviction"]
