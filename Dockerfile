# Collector, API and command line in one image; the application side is installed with pip.
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY instrumentation instrumentation
COPY recovery recovery
COPY collector collector
COPY storage storage
COPY api api
COPY grafana/goldseam grafana/goldseam
RUN python -m venv /opt/goldseam \
 && /opt/goldseam/bin/pip install --no-cache-dir --constraint constraints.txt ".[otlp,openai,server]"

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/goldseam /opt/goldseam
COPY --chmod=0755 docker/entrypoint.sh /usr/local/bin/goldseam-entrypoint
COPY examples/alert_webhook.py /opt/goldseam/alert_webhook.py
ENV PATH=/opt/goldseam/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A new volume takes the folder's owner: the collector's spool is there.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin goldseam \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/goldseam
USER 10001:10001
ENTRYPOINT ["goldseam-entrypoint"]
CMD ["goldseam", "--help"]
