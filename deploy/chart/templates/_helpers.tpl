{{- define "vod-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 63 characters are the most that a Service's name may have, and the Service for the metrics adds 8 to this. It has no dot either, as a release's may. */}}
{{- define "vod-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "vod-operator.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vod-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vod-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "vod-operator.labels" -}}
{{ include "vod-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Labels and annotations of an object: its own, then those of all; what the chart selects by stays as it is. */}}
{{- define "vod-operator.labelsAndAnnotations" -}}
{{- $root := .root -}}
{{- $own := include "vod-operator.labels" $root | fromYaml -}}
labels:
  {{- toYaml $own | nindent 2 }}
  {{- range $key, $value := merge (dict) (default (dict) .labels) (default (dict) $root.Values.commonLabels) }}
  {{- if not (hasKey $own $key) }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) (default (dict) $root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The metadata of an object. Give root, name, and where it has them namespace, labels, annotations. */}}
{{- define "vod-operator.metadata" -}}
name: {{ .name | quote }}
{{- with .namespace }}
namespace: {{ . | quote }}
{{- end }}
{{ include "vod-operator.labelsAndAnnotations" . }}
{{- end -}}

{{- define "vod-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vod-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the ServiceAccount to use when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "vod-operator.leaseName" -}}
{{- default (include "vod-operator.fullname" .) .Values.leaseName -}}
{{- end -}}

{{/* The repository begins with a registry when its first part looks like a host; another registry takes that one's place. */}}
{{- define "vod-operator.image" -}}
{{- $parts := splitList "/" .Values.image.repository -}}
{{- $first := first $parts -}}
{{- $named := and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $registry := default (default "" .Values.image.registry) .Values.global.imageRegistry | trimSuffix "/" -}}
{{- $repository := .Values.image.repository -}}
{{- if $registry -}}
{{- $repository = printf "%s/%s" $registry (ternary (rest $parts) $parts $named | join "/") -}}
{{- end -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.digest -}}
{{- printf "%s:%s@%s" $repository $tag .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository $tag -}}
{{- end -}}
{{- end -}}

{{/* What no schema can say, said before anything is installed. */}}
{{- define "vod-operator.checks" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElect) -}}
{{- fail "leaderElect: two replicas without leader election would both act; set leaderElect to true or replicas to 1" -}}
{{- end -}}
{{- if and .Values.rrsa.roleArn (not .Values.rrsa.oidcProviderArn) -}}
{{- fail "rrsa.oidcProviderArn: name the OIDC provider too when rrsa.roleArn is set" -}}
{{- end -}}
{{- if and .Values.rrsa.roleArn (not .Values.operator.ambientCredentials) -}}
{{- fail "operator.ambientCredentials: set it to true to use rrsa.roleArn; resources without a Secret then act as that role, in every watched namespace, or in operator.ambientNamespaces" -}}
{{- end -}}
{{- if and .Values.operator.ambientNamespaces (not .Values.operator.ambientCredentials) -}}
{{- fail "operator.ambientNamespaces: says nothing unless operator.ambientCredentials is true" -}}
{{- end -}}
{{- if and .Values.secrets.names .Values.secrets.watch -}}
{{- fail "secrets.names: needs secrets.watch=false; Kubernetes cannot limit a watch of all Secrets by name" -}}
{{- end -}}
{{- if and .Values.serviceAccountIdentities.names (not .Values.serviceAccountIdentities.enabled) -}}
{{- fail "serviceAccountIdentities.names: says nothing unless serviceAccountIdentities.enabled is true" -}}
{{- end -}}
{{- if and .Values.privateCa.configMap .Values.privateCa.secret -}}
{{- fail "privateCa: name a ConfigMap or a Secret, not both" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics: choose serviceMonitor or podMonitor; with both, every metric is counted twice" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor: needs metrics.service.enabled" -}}
{{- end -}}
{{- end -}}

{{/* The rules in a watched namespace, or everywhere: the same in a Role and in a ClusterRole. */}}
{{- define "vod-operator.rules" -}}
# The resources themselves. patch: for the finalizer, in their metadata. Never create or delete.
- apiGroups: [vod-operator.dev]
  resources: [vodmessagecallbacks]
  verbs: [get, list, watch, patch]
# What the operator reports, by server-side apply.
- apiGroups: [vod-operator.dev]
  resources: [vodmessagecallbacks/status]
  verbs: [patch]
{{- if .Values.secrets.watch }}
# AccessKeys and AuthKeys. get: the values, when needed. list and watch: only metadata is asked for, to notice a rotated
# key at once; Kubernetes cannot grant that without the values (secrets.watch: false drops both verbs).
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- else }}
# AccessKeys and AuthKeys: read by name when needed (secrets.watch is false).
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.secrets.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [get]
{{- end }}
{{- if .Values.serviceAccountIdentities.enabled }}
# Tokens of the ServiceAccounts that resources name as their identity (serviceAccountIdentities).
- apiGroups: [""]
  resources: [serviceaccounts/token]
  {{- with .Values.serviceAccountIdentities.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [create]
{{- end }}
# Events about the resources, in their namespace.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
