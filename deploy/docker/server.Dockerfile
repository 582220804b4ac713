# The server: `resonate serve`, configured by RESONATE_… variables or a resonate.toml in /var/lib/resonate.
#
#   docker build -f deploy/docker/server.Dockerfile -t resonate .
#
# Nothing in it is compiled or fetched for one processor, so it builds for every platform of its base image
# (docker buildx build --platform linux/amd64,linux/arm64 …). It writes to /var/lib/resonate and nowhere else.

ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-alpine AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
# What was downloaded for one image is there for the next.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --workspace=resonate

FROM node:${NODE_VERSION}-alpine
LABEL org.opencontainers.image.title="resonate" \
      org.opencontainers.image.description="Server of Resonate, for durable functions" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
COPY deploy/docker/health.mjs /app/health.mjs
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0750", "/var/lib/resonate"]

ENV NODE_ENV=production
WORKDIR /var/lib/resonate
VOLUME /var/lib/resonate
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8001 9090

# Alive, not ready: a database that is down for a minute is no reason to restart a server.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "/app/health.mjs", "http://127.0.0.1:8001/health"]

# No shell in between: SIGTERM reaches the server, which finishes what is in flight.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/packages/cli/bin/resonate.js"]
CMD ["serve"]
