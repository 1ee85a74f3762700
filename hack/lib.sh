# Shared by the scripts that start a control plane: sourced, not run.
# shellcheck shell=bash

# started PID: to be ended, by its id and last first, when the script ends.
started_pids=()
started() { started_pids+=("$1"); }
end_started() {
  local index
  for ((index = ${#started_pids[@]} - 1; index >= 0; index--)); do
    kill "${started_pids[index]}" 2>/dev/null || true
    wait "${started_pids[index]}" 2>/dev/null || true
  done
  started_pids=()
}

# free_port: one that nobody listens on now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# eventually SECONDS COMMAND…: until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "waited in vain for: $*" >&2
      "$@" >&2 || true
      return 1
    fi
    sleep 0.3
  done
}

# control_plane_binaries: prints the folder of etcd, kube-apiserver and kubectl, built if need be.
control_plane_binaries() {
  if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    echo "$KUBEBUILDER_ASSETS"
    return
  fi
  if [[ ! -x .tools/bin/kube-apiserver || ! -x .tools/bin/etcd || ! -x .tools/bin/kubectl ]]; then
    # The whole workspace, as everywhere: with other features most dependencies would be built a second time.
    cargo build --quiet --locked --workspace --bins >&2
    "${CARGO_TARGET_DIR:-target}/debug/control-plane" build >&2
  fi
  echo "$PWD/.tools/bin"
}

# start_control_plane FOLDER BINARIES [further flags of kube-apiserver]: etcd and kube-apiserver with logs and keys in FOLDER;
# sets apiserver_port and writes FOLDER/admin.kubeconfig.
start_control_plane() {
  local folder="$1" binaries="$2" client peer
  shift 2
  mkdir -p "$folder"
  client=$(free_port)
  peer=$(free_port)
  apiserver_port=$(free_port)
  "$binaries/etcd" --data-dir "$folder/etcd" --unsafe-no-fsync --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer" >"$folder/etcd.log" 2>&1 &
  started $!
  openssl genrsa -out "$folder/sa.key" 2048 2>/dev/null
  openssl rsa -in "$folder/sa.key" -pubout -out "$folder/sa.pub" 2>/dev/null
  admin_token="$(openssl rand -hex 16)"
  node_token="$(openssl rand -hex 16)"
  {
    echo "$admin_token,admin,admin,\"system:masters\""
    echo "$node_token,system:node:e2e,node,\"system:nodes\""
  } >"$folder/tokens.csv"
  "$binaries/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" --secure-port "$apiserver_port" --cert-dir "$folder/certs" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$folder/sa.pub" --service-account-signing-key-file "$folder/sa.key" \
    --token-auth-file "$folder/tokens.csv" --authorization-mode Node,RBAC --service-cluster-ip-range 10.96.0.0/16 "$@" >"$folder/kube-apiserver.log" 2>&1 &
  started $!
  kubeconfig "$folder/admin.kubeconfig" "$admin_token"
  eventually 60 "$binaries/kubectl" --kubeconfig "$folder/admin.kubeconfig" get --raw /readyz
}

# kubeconfig FILE TOKEN [HOST]
kubeconfig() {
  cat >"$1" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://${3:-127.0.0.1}:$apiserver_port", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: "$2"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
CONFIG
  chmod 600 "$1"
}
