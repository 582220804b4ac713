# The example worker: examples/worker, configured by RESONATE_URL, RESONATE_GROUP and what its page lists.
#
#   docker build -f deploy/docker/worker.Dockerfile -t resonate-worker .
#
# Its shape is that of a worker of your own; docs/containers.md shows one. It writes to no file at all.

ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-alpine AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
# What was downloaded for one image is there for the next.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --workspace=@resonatehq/sdk

FROM node:${NODE_VERSION}-alpine
LABEL org.opencontainers.image.title="resonate-worker" \
      org.opencontainers.image.description="Example worker of Resonate" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=build /app /app
COPY examples/worker/main.ts examples/worker/main.ts
COPY deploy/docker/health.mjs health.mjs

ENV NODE_ENV=production \
    WORKER_HEALTH_PORT=8080
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001

# The event loop turns. Whether there is work, and who has it, is the server's to say.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "/app/health.mjs", "http://127.0.0.1:8080/"]

# No shell in between: SIGTERM reaches the worker, which ends what it has in hand or gives it back.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/examples/worker/main.ts"]
