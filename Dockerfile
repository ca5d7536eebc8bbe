# Four images, built from the root of the repository:
#
#   docker build -t colorzoo-serving:0.1.0 .                  TF Serving with the presets in it: the default target
#   docker build --target app -t colorzoo-app:0.1.0 .         the web page, with the presets in it or in front of a server
#   docker build --target client -t colorzoo-client:0.1.0 .   Python with colorzoo_client, without TensorFlow
#   docker build --target train -t colorzoo-train:0.1.0 .     colorzoo train, with CUDA
#
# To pin the base images for production, give their digests: --build-arg TF_SERVING_IMAGE=tensorflow/serving@sha256:...
# (docker inspect --format '{{.RepoDigests}}' tensorflow/serving:2.20.0 prints it). To serve on GPUs:
# --build-arg TF_SERVING_IMAGE=tensorflow/serving:2.20.0-gpu. TF Serving is built for x86-64 with AVX only.
ARG PYTHON_IMAGE=python:3.11-slim
ARG TF_SERVING_IMAGE=tensorflow/serving:2.20.0


FROM ${PYTHON_IMAGE} AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
WORKDIR /source
COPY requirements.lock ./


FROM python AS source
COPY pyproject.toml README.md LICENSE ./
COPY colorzoo colorzoo
COPY zoo zoo
COPY media media
COPY training training
COPY serving serving


FROM source AS export
RUN pip install --constraint requirements.lock ".[serve]"
# Names from `colorzoo presets`, separated by spaces. If empty, all presets are exported.
ARG PRESETS=""
RUN colorzoo export ${PRESETS:-$(python -c "import zoo; print(*zoo.list_presets())")} \
        --output /models \
    && chmod -R a+rX /models


FROM source AS app
RUN pip install --constraint requirements.lock ".[web]"
# The user has no home, and libraries cache files in theirs. Films lie in /tmp while they are colorized.
ENV HOME=/tmp
USER 65532:65532
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["python", "-c", \
    "import urllib.request as http; http.urlopen('http://127.0.0.1:8000/api/health', timeout=4)"]
ENTRYPOINT ["colorzoo", "web"]
CMD ["--host=0.0.0.0"]


FROM python AS client
# The client's own distribution, colorzoo_client, without TensorFlow, which alone takes over a gigabyte.
COPY serving/client client
RUN pip install --constraint requirements.lock ./client
# The user has no home, and libraries cache files in theirs.
ENV HOME=/tmp
USER 65532:65532
WORKDIR /data
CMD ["python"]


FROM source AS train
# The lock pins TensorFlow, whose extra in turn says which versions of CUDA, cuDNN and NCCL it was built for.
# Without a GPU the image trains on the CPU.
RUN pip install --constraint requirements.lock ".[train]" "tensorflow[and-cuda]"
ENV HOME=/tmp
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["colorzoo", "train"]
CMD ["--help"]


# The last target is the one that is built if none is named.
FROM ${TF_SERVING_IMAGE} AS serving
COPY --from=export /models /models
# By whatever umask these were checked out: the server runs as another user than the one that owns them.
COPY --chmod=755 serving/deploy/tensorflow_serving/batching.config \
    serving/deploy/tensorflow_serving/monitoring.config serving/deploy/tensorflow_serving/healthcheck.sh /config/
# A number, because Kubernetes cannot tell from a name that a user is not root. The base image defines no user.
USER 65532:65532
EXPOSE 8500 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["/config/healthcheck.sh"]
# Not the base image's script: it would run as process 1 in place of the server and forward no signals.
ENTRYPOINT ["tensorflow_model_server"]
CMD ["--port=8500", \
    "--rest_api_port=8501", \
    "--model_config_file=/models/models.config", \
    "--model_config_file_poll_wait_seconds=10", \
    "--allow_version_labels_for_unavailable_models=true", \
    "--monitoring_config_file=/config/monitoring.config", \
    "--enable_grpc_healthcheck_service=true"]
