# The one entry to everything a developer does here; `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# For `make run`: more flags of the operator, as in `make run ARGS="--log-format json"`. For `make bench`: its sections.
ARGS ?=
# For `make demo`: 1 keeps everything running until Ctrl-C.
KEEP ?=

comma := ,
TARGET := $(or $(CARGO_TARGET_DIR),target)
# A line of progress, that stands out from what the tools say.
SAY := printf '\n==> %s\n'
# need(TOOL,WHY): ends with one clear line when a tool is missing.
need = command -v $(1) >/dev/null 2>&1 || { echo "missing tool: $(1) ($(2))" >&2; exit 1; }

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: rust-tools
rust-tools:
	@$(call need,cargo,the Rust toolchain; rustup installs the version of rust-toolchain.toml)
	@$(call need,cc,a C compiler; some dependencies and the linker need it)

.PHONY: control-plane-tools
control-plane-tools: rust-tools
	@[ -n "$${KUBEBUILDER_ASSETS:-}" ] || { $(call need,go,it builds the test control plane; or set KUBEBUILDER_ASSETS to a folder with etcd$(comma) kube-apiserver and kubectl); }

.PHONY: control-plane
control-plane: control-plane-tools ## Build the operator, the test kit, and etcd, kube-apiserver and kubectl for tests (minutes, once)
	@$(SAY) "1 of 2: the operator and the test kit, with cargo (about 2 minutes on 2 cores the first time)"
	@cargo build --locked --workspace --bins
	@$(SAY) "2 of 2: etcd, kube-apiserver and kubectl, with go (about 5 minutes on 2 cores the first time)"
	@"$(TARGET)/debug/control-plane" build

.PHONY: demo
demo: control-plane ## Show the operator at work on a local control plane (KEEP=1 keeps it running)
	@KEEP="$(KEEP)" "$(TARGET)/debug/demo"

.PHONY: run
run: rust-tools ## Run the operator on the cluster of your KUBECONFIG, with the real service (ARGS=…)
	cargo run --release --locked -- run $(ARGS)

.PHONY: test
test: control-plane ## Run all tests
	@$(SAY) "the tests, with cargo (about 2 minutes to build the first time); beside them the chart's test tools, with go (the first time)"
	@hack/beside "hack/tools chart" cargo test --workspace --locked
	@hack/chart-tests
	@hack/receiver-tests

.PHONY: test-versions
test-versions: control-plane-tools ## Test on the oldest and the newest supported Kubernetes, with Helm 3 and 4
	hack/test-versions

.PHONY: lint
lint: rust-tools ## Check formatting, lints and dependencies
	cargo fmt --all --check
	@hack/imports --self-test
	@hack/imports
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@hack/check-fuzz
	@testkit/tools/deny --quick
	@hack/built-once
	@hack/check-image-context
	@hack/lint-workflows

.PHONY: deny
deny: rust-tools ## Check licences, sources and advisories of dependencies (installs cargo-deny once)
	@testkit/tools/deny

.PHONY: crds
crds: rust-tools ## Write crds/ anew from the code, and all that is made of it
	@mkdir -p crds
	@cargo build --quiet --locked --workspace --bins
	@"$(TARGET)/debug/vod-operator" crd > crds/.vodmessagecallbacks.yaml.new
	@mv crds/.vodmessagecallbacks.yaml.new crds/vodmessagecallbacks.yaml
	@hack/sync-crd
	@hack/render-chart-readme
	@hack/render-manifests
	@hack/render-reference
	@hack/render-endpoints
	@hack/render-gitops-fixtures

.PHONY: docs
docs: rust-tools ## Build the docs as a site, into target/book (installs mdbook once)
	@hack/render-docs

.PHONY: bench
bench: control-plane ## Measure the operator, beside floors and a peer (ARGS="latency bulk")
	hack/bench $(ARGS)

.PHONY: fuzz
fuzz: rust-tools ## Fuzz what reads other people's words (FUZZ_SECONDS=60 for each target; 0 only builds)
	hack/fuzz

.PHONY: e2e
e2e: control-plane-tools ## Test the packaged product on a whole node (root on Linux), or on the cluster of KUBECONFIG
	hack/e2e

.PHONY: image
image: rust-tools ## Build the container image
	hack/image

.PHONY: sbom
sbom: rust-tools ## Write the software bill of materials
	hack/sbom

.PHONY: clean
clean: ## Remove what was compiled, but not .tools
	cargo clean
