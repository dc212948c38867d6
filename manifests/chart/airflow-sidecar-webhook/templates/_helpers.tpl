{{/* Labels by which the Deployment selects its pods. A Deployment's selector cannot be changed. */}}
{{- define "webhook.selector" -}}
app.kubernetes.io/name: airflow-sidecar-webhook
app.kubernetes.io/instance: {{ .Values.name }}
{{- end }}

{{- define "webhook.labels" -}}
{{ include "webhook.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object. Argument: a dict with root, and optionally suffix (for the name) and further labels. */}}
{{- define "webhook.clusterMetadata" -}}
name: {{ .root.Values.name }}{{ .suffix }}
labels:
  {{- include "webhook.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "webhook.metadata" -}}
{{ include "webhook.clusterMetadata" . }}
namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- define "webhook.serviceAccountSubject" -}}
kind: ServiceAccount
name: {{ .Values.name }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "webhook.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* "true" or empty: whether the webhook watches the cluster, manages its certificates, and so sends requests to the API server. */}}
{{- define "webhook.watchesCluster" -}}
{{- if ne (include "webhook.text" (dig "native_sidecars" "auto" .Values.settings)) "off" }}true{{ end }}
{{- end }}

{{- define "webhook.managesCertificates" -}}
{{- if eq .Values.certificates.source "self-managed" }}true{{ end }}
{{- end }}

{{- define "webhook.usesApiServer" -}}
{{- if or (include "webhook.watchesCluster" .) (include "webhook.managesCertificates" .) }}true{{ end }}
{{- end }}

{{/* Name of the Secret with the serving certificate. */}}
{{- define "webhook.certificateSecret" -}}
{{- if eq .Values.certificates.source "secret" -}}
{{ required "certificates.secret.name: name the kubernetes.io/tls Secret with the serving certificate" .Values.certificates.secret.name }}
{{- else -}}
{{ .Values.name }}-tls
{{- end }}
{{- end }}

{{/* Whether a pod has the labels of an Airflow task pod or of a chart's job, in CEL: the same as webhook/core/origin.py, and a test compares. */}}
{{- define "webhook.isTaskPod" -}}
has(object.metadata.labels) && (
['kubernetes_executor', 'kubernetes_pod_operator', 'spark_kubernetes_operator'].exists(label,
label in object.metadata.labels && object.metadata.labels[label] == 'True')
|| ('tier' in object.metadata.labels && object.metadata.labels['tier'] == 'airflow'
&& 'component' in object.metadata.labels && object.metadata.labels['component'] in
['run-airflow-migrations', 'create-user-job', 'airflow-cleanup-pods', 'database-cleanup'])
|| ('app' in object.metadata.labels && object.metadata.labels['app'] == 'airflow' && 'release' in object.metadata.labels
&& 'component' in object.metadata.labels && (object.metadata.labels['component'] in
['db-migrations', 'sync-connections', 'sync-dags', 'sync-pools', 'sync-roles', 'sync-users', 'sync-variables']
|| (object.metadata.labels['component'] == 'jobs' && 'chart' in object.metadata.labels
&& object.metadata.labels['chart'].startsWith('airflow-')))))
{{- end }}

{{/* Further sidecars and image rules, as the files that the service reads; empty if there are none. */}}
{{- define "webhook.rules" -}}
{{- with .Values.sidecars }}
sidecars.yaml: {{ toYaml . | quote }}
{{- end }}
{{- if or .Values.entrypoints.images .Values.entrypoints.candidates }}
entrypoints.yaml: {{ toYaml .Values.entrypoints | quote }}
{{- end }}
{{- end }}

{{/* Every setting of the service, as YAML: those that follow from other values, then the value settings. */}}
{{- define "webhook.settings" -}}
port: {{ .Values.ports.webhook }}
health_port: {{ .Values.ports.health }}
drain_seconds: {{ .Values.drainSeconds }}
on_fault: {{ ternary "error" "allow" .Values.webhook.failClosed }}
{{- if include "webhook.managesCertificates" . }}
certificates: self-managed
service_name: {{ .Values.name }}
service_namespace: {{ .Release.Namespace }}
ca_secret: {{ .Values.name }}-authority
configuration: {{ .Values.name }}
{{- else }}
certificates: files
certificate_file: /etc/airflow-sidecar-webhook/tls/tls.crt
private_key_file: /etc/airflow-sidecar-webhook/tls/tls.key
{{- end }}
{{- if .Values.sidecars }}
sidecars_file: /etc/airflow-sidecar-webhook/rules/sidecars.yaml
{{- end }}
{{- if or .Values.entrypoints.images .Values.entrypoints.candidates }}
entrypoints_file: /etc/airflow-sidecar-webhook/rules/entrypoints.yaml
{{- end }}
{{- with .Values.settings }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A setting as the text of its environment variable. Helm itself writes a large number as 6.7e+07, and reads off as false (YAML 1.1). */}}
{{- define "webhook.text" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "string" . }}{{ . }}
{{- else if kindIs "bool" . }}{{ ternary "on" "off" . }}
{{- else }}{{ toJson . }}
{{- end }}
{{- end }}

{{/* Labels of the reaper's pods: others than the service's, which its Service selects. */}}
{{- define "webhook.reaperSelector" -}}
app.kubernetes.io/name: airflow-sidecar-webhook-reaper
app.kubernetes.io/instance: {{ .Values.name }}
{{- end }}

{{/* The reaper's methods, as a JSON list. Before Kubernetes 1.30 no policy could limit the right of the method deadline. */}}
{{- define "webhook.reaperMethods" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}
{{- toJson .Values.reaper.methods }}
{{- else }}
{{- without .Values.reaper.methods "deadline" | toJson }}
{{- end }}
{{- end }}

{{/* Every field of a pod's spec but activeDeadlineSeconds. A test compares the list with the API server's schema. */}}
{{- define "webhook.podFields" -}}
{{- range list
  "affinity" "automountServiceAccountToken" "containers" "dnsConfig" "dnsPolicy" "enableServiceLinks" "ephemeralContainers"
  "evictionResponders" "hostAliases" "hostIPC" "hostNetwork" "hostPID" "hostUsers" "hostname" "hostnameOverride"
  "imagePullSecrets" "initContainers" "nodeName" "nodeSelector" "os" "overhead" "preemptionPolicy" "priority" "priorityClassName"
  "readinessGates" "resourceClaims" "resources" "restartPolicy" "runtimeClassName" "schedulerName" "schedulingGates"
  "schedulingGroup" "securityContext" "serviceAccount" "serviceAccountName" "setHostnameAsFQDN" "shareProcessNamespace"
  "subdomain" "terminationGracePeriodSeconds" "tolerations" "topologySpreadConstraints" "volumes" }}
- {{ . }}
{{- end }}
{{- end }}
