# Three images, built from the root of the repository:
#
#   docker build --target serving -t colorzoo-serving .   TF Serving with the presets in it
#   docker build --target app -t colorzoo-app .           Python with serving.client, without TensorFlow
#   docker build --target train -t colorzoo-train .       colorzoo train
#
# To fix the bases for good, give their digests: --build-arg TF_SERVING_IMAGE=tensorflow/serving@sha256:...
# (docker inspect --format '{{.RepoDigests}}' tensorflow/serving:2.20.0 prints it). For GPUs:
# --build-arg TF_SERVING_IMAGE=tensorflow/serving:2.20.0-gpu. TF Serving comes for x86-64 with AVX only.
ARG PYTHON_IMAGE=python:3.11-slim
ARG TF_SERVING_IMAGE=tensorflow/serving:2.20.0


FROM ${PYTHON_IMAGE} AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
WORKDIR /source
COPY pyproject.toml requirements.lock README.md LICENSE colorzoo.py ./
COPY zoo zoo
COPY media media
COPY training training
COPY serving serving


FROM source AS export
RUN pip install --constraint requirements.lock ".[serve]"
# Names from `colorzoo presets`, separated by spaces; all of them if there are none.
ARG PRESETS=""
RUN colorzoo export ${PRESETS:-$(python -c "import zoo; print(*(preset.name for preset in zoo.list_presets()))")} \
        --output /models \
    && chmod -R a+rX /models


FROM ${TF_SERVING_IMAGE} AS serving
COPY --from=export /models /models
COPY serving/deploy/tensorflow_serving/batching.config serving/deploy/tensorflow_serving/monitoring.config \
    serving/deploy/tensorflow_serving/healthcheck.sh /config/
# By number, since Kubernetes cannot tell from a name that it is not root. The base image has no user of its own.
USER 65532:65532
EXPOSE 8500 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["/config/healthcheck.sh"]
# Not the script of the base image: it would be process 1 in the server's place and hand no signal on.
ENTRYPOINT ["tensorflow_model_server"]
CMD ["--port=8500", \
    "--rest_api_port=8501", \
    "--model_config_file=/models/models.config", \
    "--model_config_file_poll_wait_seconds=10", \
    "--allow_version_labels_for_unavailable_models=true", \
    "--monitoring_config_file=/config/monitoring.config", \
    "--enable_grpc_healthcheck_service=true"]


FROM source AS app
# What serving.client imports, and no more: TensorFlow alone is over a gigabyte. `colorzoo remote` does need it.
RUN pip install --constraint requirements.lock grpcio protobuf numpy \
    && pip install --no-deps .
USER 65532:65532
WORKDIR /work
CMD ["python"]


FROM source AS train
RUN pip install --constraint requirements.lock ".[train]"
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["colorzoo", "train"]
CMD ["--help"]
