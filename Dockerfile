# syntax=docker/dockerfile:1
# The image of vod-operator: one static binary with its man pages and completions, CA roots and licence texts on an empty, non-root base.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t vod-operator .
#
# For mirrors, give other bases; scratch works as BASE_IMAGE too. The same sources, bases and SOURCE_DATE_EPOCH give the same binary.
ARG RUST_IMAGE=docker.io/library/rust:1.95-alpine
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${RUST_IMAGE} AS build
RUN apk add --no-cache gcc musl-dev ca-certificates-bundle
WORKDIR /src
COPY . .
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
# Static, and with no path of this machine in it. rust-toolchain.toml would have rustup fetch another toolchain; the image's is meant.
ENV RUSTUP_TOOLCHAIN= \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    VOD_OPERATOR_COMMIT=${REVISION} \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=/cargo"
RUN rm -f rust-toolchain.toml \
 && cargo build --release --locked --package vod-operator --bin vod-operator \
 && install -D -m 0755 target/release/vod-operator /out/usr/local/bin/vod-operator \
 && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
 && hack/licences /out/usr/share/licenses/vod-operator \
 && hack/man-and-completions target/release/vod-operator /out/usr/local \
 && find /out -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

# Only the binary with its man pages and completions, for those who want no image:
#   docker buildx build --target binary --output type=local,dest=out .
FROM scratch AS binary
COPY --from=build /out/usr/local/bin/vod-operator /vod-operator
COPY --from=build /out/usr/local/share/ /share/

# The stand-in for the service, for deploy/demo: docker buildx build --target stand-in -t vod-stand-in .
FROM build AS build-stand-in
RUN cargo build --release --locked --package vod-endpoint --bin vod-endpoint

FROM scratch AS stand-in
LABEL org.opencontainers.image.title="vod-stand-in" \
      org.opencontainers.image.description="A stand-in for ApsaraVideo VOD, to try vod-operator without an account" \
      org.opencontainers.image.source="https://github.com/vod-operator/vod-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-stand-in /src/target/release/vod-endpoint /vod-endpoint
COPY LICENSE /LICENSE
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/vod-endpoint"]
CMD ["--listen", "0.0.0.0:8080", "--control", "0.0.0.0:8081"]

FROM ${BASE_IMAGE} AS final
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="vod-operator" \
      org.opencontainers.image.description="Keeps the message callback of ApsaraVideo VOD as declared in Kubernetes" \
      org.opencontainers.image.url="https://github.com/vod-operator/vod-operator" \
      org.opencontainers.image.source="https://github.com/vod-operator/vod-operator" \
      org.opencontainers.image.documentation="https://github.com/vod-operator/vod-operator/tree/main/docs" \
      org.opencontainers.image.vendor="vod-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /out/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/vod-operator"]
CMD ["run"]
