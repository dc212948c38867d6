# The webhook's image: a Python interpreter, the service and a static busybox; no shell, no package manager.
#
#   docker build --tag localhost/airflow-sidecar-webhook:0.1.0 .
#
# BASE is any image with glibc, pip and Python 3.11 or newer as python3. BUSYBOX is any image with a static /bin/busybox. You can name them by
# digest, or from a registry of your own. Besides them, the image contains only the wheels of requirements/runtime.txt, each verified by its hash.
ARG BASE=docker.io/library/python:3.13-slim-bookworm
ARG BUSYBOX=docker.io/library/busybox:1.37-musl

FROM ${BUSYBOX} AS busybox

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/runtime.txt ./
RUN python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile --require-hashes --no-deps --only-binary=:all: \
    --target=packages --requirement=runtime.txt
COPY webhook packages/webhook
COPY certs packages/certs
COPY --from=busybox /bin/busybox busybox
COPY LICENSE manifests/image/root.py ./
RUN python3 root.py /root-of-image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="airflow-sidecar-webhook" \
      org.opencontainers.image.description="A mutating admission webhook that lets Airflow's task pods end beside injected sidecars" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-of-image /
# A number, so that a kubelet can verify that the user is not root (runAsNonRoot).
USER 65532:65532
# -P: nothing is imported from the working directory. No bytecode is written: it is in the image, and the root filesystem may be read-only.
ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["/python3", "-P", "-m", "webhook"]
CMD ["serve"]
EXPOSE 8443 8080
