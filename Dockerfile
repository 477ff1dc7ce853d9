# Two images: `docker build .` is Dagster (web server, daemon, code location, `pipeline-assets`);
# `docker build --target api .` is the HTTP API for AWS Lambda. deploy/README.md says how to use them.
ARG PYTHON=3.12

# Everything is installed here, and only the result is copied, so no compiler is in the images.
FROM python:${PYTHON}-slim-bookworm AS builder
WORKDIR /src
# Every file must have the checksum that is written there; `make lock` renews the list.
COPY deploy/requirements.txt ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY pipeline_assets ./pipeline_assets
COPY spark_resources ./spark_resources
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

# The same packages for the Python of Lambda's own base image.
FROM public.ecr.aws/lambda/python:${PYTHON} AS api
COPY deploy/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY pyproject.toml setup.py README.md LICENSE /tmp/src/
COPY pipeline_assets /tmp/src/pipeline_assets
COPY spark_resources /tmp/src/spark_resources
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/src && rm -rf /tmp/src
CMD ["pipeline_assets.serving.lambda_handler.handler"]

FROM python:${PYTHON}-slim-bookworm AS dagster
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pipeline \
    && mkdir /dagster /app \
    && chown pipeline: /dagster
COPY --from=builder /opt/venv /opt/venv
COPY dagster.yaml deploy/workspace.yaml deploy/entrypoint.sh /app/
# Nothing below is written to but the two volumes: the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    DAGSTER_HOME=/dagster \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
VOLUME ["/dagster", "/tmp"]
USER 10001
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s --retries=5 \
    CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["dagster", "code-server", "start", "-m", "pipeline_assets.definitions", "-h", "127.0.0.1", "-p", "4000"]
