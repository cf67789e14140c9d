# One image for every role; compose.yaml shows them apart, `docker run` without arguments runs them together.
FROM python:3.11-slim AS packages
WORKDIR /app
RUN python -m venv .venv
COPY requirements.lock .
RUN .venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

FROM python:3.11-slim
# A fixed number, so that a volume written once can be read by the next image.
RUN useradd --uid 10001 --no-create-home --home-dir /data inkbox \
    && mkdir /data \
    && chown inkbox:inkbox /data
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY . .
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    INKBOX_DATA_DIR=/data \
    INKBOX_HTTP_HOST=0.0.0.0 \
    INKBOX_SMTP_HOST=0.0.0.0
# The application is not writable at run time, so its bytecode is made now.
RUN python -m compileall -q -x '/\.venv/' /app
USER inkbox
VOLUME /data
EXPOSE 8000 2525
ENTRYPOINT ["python", "manage.py"]
CMD ["serve"]
