# One image for every command: `docker run headgate` is the gateway, `docker run headgate worker metrics` a worker.

FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
WORKDIR /app
# The dependencies change more seldom than the code: a layer of their own.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project
COPY LICENSE README.md ./
COPY contracts contracts
COPY runtime runtime
COPY gateway gateway
COPY stream_workers stream_workers
COPY migrations migrations
COPY devstack devstack
COPY cli cli
# `docker build --build-arg COMMIT=$(git rev-parse HEAD)`, for `headgate --version`.
ARG COMMIT=
RUN [ -z "$COMMIT" ] || echo "$COMMIT" >runtime/commit.txt
RUN uv sync --locked --no-dev --no-editable

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Headgate" \
      org.opencontainers.image.description="The front door of a Kafka stream" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_HOST=0.0.0.0 \
    LOG_FORMAT=json
WORKDIR /app
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000 6066 6067
# Of the gateway, which is the default command; docker-compose.yaml says how the workers are asked.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["headgate"]
CMD ["gateway"]
