# syntax=docker/dockerfile:1
# The live engine, its dashboard and every command that needs no Dagster.
#   docker build -f deploy/docker/engine.Dockerfile --build-arg COMMIT="$(git rev-parse HEAD)" -t gal-friday-engine .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /opt/gal-friday
COPY requirements/installer.lock requirements/engine.lock requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/installer.lock \
    && uv venv /opt/venv \
    && uv pip sync --no-cache --require-hashes --python /opt/venv/bin/python requirements/engine.lock
COPY gal_friday_core gal_friday_core
COPY gal_friday_adapters gal_friday_adapters
COPY gal_friday_live gal_friday_live
# Every order names the code behind it: the commit goes in where a checkout has it.
ARG COMMIT=""
RUN if [ -n "$COMMIT" ]; then printf '%s\n' "$COMMIT" > gal_friday_live/commit.txt; fi \
    && /opt/venv/bin/python -m compileall -q gal_friday_core gal_friday_adapters gal_friday_live

FROM python:${PYTHON}-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/gal-friday --shell /usr/sbin/nologin gal-friday \
    && install -d -o gal-friday -g gal-friday -m 0700 /var/lib/gal-friday/data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/gal-friday /opt/gal-friday
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/gal-friday \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GAL_FRIDAY_DATA_DIR=/var/lib/gal-friday/data \
    NUMBA_CACHE_DIR=/var/lib/gal-friday/data/compiled
USER 10001:10001
WORKDIR /var/lib/gal-friday
VOLUME ["/var/lib/gal-friday/data"]
# A halted engine answers too, and is well: it must not be restarted into trading.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 \
    CMD ["python", "-m", "gal_friday_live.cli", "status", "--json"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "gal_friday_live.cli"]
CMD ["live", "--config", "/etc/gal-friday/config.yaml"]
