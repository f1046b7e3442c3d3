# syntax=docker/dockerfile:1
# Dagster's web server, daemon and code location, with everything that trains. LOCK=distributed adds Celery's and
# Kubernetes' launchers (docs/scale-out.md).
#   docker build -f deploy/docker/pipeline.Dockerfile --build-arg COMMIT="$(git rev-parse HEAD)" -t gal-friday-pipeline .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
ARG LOCK=pipeline
WORKDIR /opt/gal-friday
COPY requirements/installer.lock requirements/pipeline.lock requirements/distributed.lock requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/installer.lock \
    && uv venv /opt/venv \
    && uv pip sync --no-cache --require-hashes --python /opt/venv/bin/python "requirements/$LOCK.lock"
COPY gal_friday_core gal_friday_core
COPY gal_friday_adapters gal_friday_adapters
COPY gal_friday_live gal_friday_live
COPY gal_friday_assets gal_friday_assets
COPY jobs jobs
COPY sensors sensors
ARG COMMIT=""
RUN if [ -n "$COMMIT" ]; then printf '%s\n' "$COMMIT" > gal_friday_live/commit.txt; fi \
    && /opt/venv/bin/python -m compileall -q .

FROM python:${PYTHON}-slim-bookworm
# The trees are grown by XGBoost, which needs OpenMP's run time.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1=12.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/gal-friday --shell /usr/sbin/nologin gal-friday \
    && install -d -o gal-friday -g gal-friday -m 0700 /var/lib/gal-friday/data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/gal-friday /opt/gal-friday
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/gal-friday \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    GAL_FRIDAY_DATA_DIR=/var/lib/gal-friday/data \
    NUMBA_CACHE_DIR=/var/lib/gal-friday/data/compiled
USER 10001:10001
WORKDIR /var/lib/gal-friday
VOLUME ["/var/lib/gal-friday/data"]
EXPOSE 3000
# `gal_friday_assets.instance` writes DAGSTER_HOME, makes Dagster's database and becomes the command behind it.
ENTRYPOINT ["python", "-m", "gal_friday_assets.instance"]
CMD ["dagster-webserver", "-h", "0.0.0.0", "-p", "3000"]
