# The image that every process of Cockpit runs in. `docker run` of it alone is a whole service: where no database is
# named, it runs its own in /data.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG PIP_INDEX_URL
ENV PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.lock pyproject.toml ./
# Every file is checked against the lock here; from them is installed what running needs, and no tools.
RUN pip download --quiet --require-hashes --requirement requirements.lock --dest /wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > /requirements.txt \
    && pip install --quiet --ignore-installed --prefix /installed --requirement /requirements.txt \
    && pip install --quiet hatchling
COPY . .
RUN pip install --quiet --no-deps --no-build-isolation --prefix /installed .

FROM ${BASE}
RUN useradd --uid 10001 --user-group --no-create-home cockpit \
    && install --directory --owner=cockpit --group=cockpit /data
COPY --from=build /installed /usr/local
ENV PYTHONUNBUFFERED=1 COCKPIT_HOST=0.0.0.0 COCKPIT_PORT=8000 COCKPIT_DATA_DIR=/data
USER 10001
WORKDIR /data
EXPOSE 8000
# Python answers SIGINT from its first moment on; SIGTERM is lost on a first process that has no handler yet.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['COCKPIT_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["cockpit"]
CMD ["serve"]
