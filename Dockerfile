# tsforge serve in a container, as a user without rights. A model baked in (the last stage, which is the default):
#
#   docker build --tag demand --build-arg MODEL=models/demand .
#   docker run --rm --publish 127.0.0.1:5001:5001 demand
#
# or fetched from the registry of an MLflow server when it starts:
#
#   docker build --tag tsforge-serve --target server .
#   docker run --rm --publish 127.0.0.1:5001:5001 --env MLFLOW_TRACKING_URI=http://mlflow:5000 \
#       --env MODEL=models:/demand@champion tsforge-serve
#
# --build-arg PIP_EXTRA_INDEX_URL=... names an index with torch for processors alone, which is a tenth of the size.
FROM python:3.11-slim AS build
ARG PIP_EXTRA_INDEX_URL
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY datasets datasets
COPY pipelines pipelines
COPY tsforge tsforge
RUN python -m venv /opt/tsforge && /opt/tsforge/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim AS server
COPY --from=build /opt/tsforge /opt/tsforge
RUN useradd --create-home --uid 10001 tsforge
USER tsforge
WORKDIR /home/tsforge
ENV PATH=/opt/tsforge/bin:$PATH PORT=5001 WORKERS=1 TIMEOUT=60 OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 5001
# /ping answers once the model is loaded.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/ping', timeout=4)"]
STOPSIGNAL SIGTERM
# exec: the server itself is process 1, and hears SIGTERM.
CMD ["sh", "-c", "exec tsforge serve \"${MODEL:?name a model}\" --host 0.0.0.0 --port $PORT --workers $WORKERS --timeout $TIMEOUT"]

FROM server
ARG MODEL
COPY ${MODEL} /srv/model
ENV MODEL=/srv/model
