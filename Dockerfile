# A release names the base by digest: --build-arg BASE=python@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/build \
    && pip --python /opt/build install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/outrider \
    && pip --python /opt/outrider install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY probes probes
COPY exporters exporters
COPY agent agent
COPY outrider outrider
RUN /opt/build/bin/hatchling build -t wheel \
    && pip --python /opt/outrider install --no-cache-dir --no-deps dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="outrider" \
      org.opencontainers.image.description="The observability sidecar" \
      org.opencontainers.image.licenses="Apache-2.0"
# Group 0 and its rights: some clusters start the image under a user of their own, always in that group.
RUN install -d -o 10001 -g 0 -m 0770 /var/lib/outrider
COPY --from=build /opt/outrider /opt/outrider
# The base ships its standard library uncompiled, and the user below may not write: 0.4 s at each start otherwise.
RUN python -m compileall -q -x '/(test|tests|lib2to3)/' "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    || echo "some modules stay uncompiled: they only start slower"
# Large requests go back to the system at once; glibc would learn to keep them: 40 MiB of a small container.
ENV PATH=/opt/outrider/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=524288
USER 10001:0
# Verdicts and metrics; the other listeners are on loopback.
EXPOSE 9740
# Finds the port that the running agent left in /var/lib/outrider; without a writable folder there, it asks 9740.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["outrider", "healthcheck"]
ENTRYPOINT ["outrider"]
CMD ["run"]
