{{/* The name in the label app.kubernetes.io/name. Not .Chart.Name: a parent chart may give this chart an alias. */}}
{{- define "webhook.name" -}}
{{ .Values.nameOverride | default "airflow-sidecar-webhook" }}
{{- end }}

{{/* The name of every object, before its suffix. The name of the release is no part of it: the API server calls mutating webhooks in the order of
the names of their configurations, so any release must get a name that sorts before the injectors. */}}
{{- define "webhook.fullname" -}}
{{ .Values.fullnameOverride | default (include "webhook.name" .) }}
{{- end }}

{{/* Fails if the webhook would be called after an injector. */}}
{{- define "webhook.checkName" -}}
{{- $name := include "webhook.fullname" . }}
{{- if not (regexMatch "^[ab]" $name) }}
{{- fail (printf "%s: the API server calls mutating webhooks in the order of the names of their configurations, and %s comes after an injector (consul-…, dapr-…, istio-…, linkerd-…, vault-…), which would not read the annotations that the webhook sets for it; use a name that begins with a or b" (ternary "fullnameOverride" "nameOverride" (ne .Values.fullnameOverride "")) $name) }}
{{- end }}
{{- end }}

{{/* Labels by which Services, policies and workloads select pods. A Deployment's selector cannot be changed.
Argument: a dict with root, and optionally component. */}}
{{- define "webhook.selector" -}}
app.kubernetes.io/name: {{ include "webhook.name" .root | toYaml }}
app.kubernetes.io/instance: {{ toYaml .root.Release.Name }}
app.kubernetes.io/component: {{ .component | default "webhook" }}
{{- end }}

{{/* The labels that the chart itself sets, on objects and on pods. Arguments as above. */}}
{{- define "webhook.ownLabels" -}}
{{ include "webhook.selector" . }}
app.kubernetes.io/part-of: airflow-sidecar-webhook
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* All labels of an object or a pod, each key once. Argument: a dict with root, and optionally component and labels of the object's own, which
take precedence over the value labels. webhook.checkLabels refuses a key of the chart's. */}}
{{- define "webhook.labels" -}}
{{ merge (include "webhook.ownLabels" . | fromYaml) (.labels | default dict) (.root.Values.labels | default dict) | toYaml }}
{{- end }}

{{/* Fails if a value sets a label that the chart sets: selectors and Helm depend on these. */}}
{{- define "webhook.checkLabels" -}}
{{- $own := include "webhook.ownLabels" (dict "root" .) | fromYaml }}
{{- range $value, $labels := dict "labels" .Values.labels "podLabels" .Values.podLabels "serviceMonitor.labels" .Values.serviceMonitor.labels
  "prometheusRule.labels" .Values.prometheusRule.labels "dashboard.labels" .Values.dashboard.labels }}
{{- range $key := keys ($labels | default dict) | sortAlpha }}
{{- if hasKey $own $key }}
{{- fail (printf "%s: the chart itself sets the label %s, by which Helm and selectors find its objects; remove it there" $value $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Metadata of an object. Argument: a dict with root, and optionally suffix (for the name), component and labels. */}}
{{- define "webhook.clusterMetadata" -}}
name: {{ include "webhook.fullname" .root }}{{ .suffix }}
labels: {{- include "webhook.labels" . | nindent 2 }}
{{- end }}

{{- define "webhook.metadata" -}}
{{ include "webhook.clusterMetadata" . }}
namespace: {{ toYaml .root.Release.Namespace }}
{{- end }}

{{/* Metadata of a ServiceMonitor or a PodMonitor, which may be in another namespace. Arguments as above. */}}
{{- define "webhook.monitorMetadata" -}}
{{- with .root.Values.serviceMonitor }}
{{- include "webhook.clusterMetadata" (merge (dict "labels" .labels) $) }}
namespace: {{ .namespace | default $.root.Release.Namespace | toYaml }}
{{- end }}
{{- end }}

{{/* What Prometheus scrapes of a pod, as the item of a list. */}}
{{- define "webhook.endpoint" -}}
{{- with .Values.serviceMonitor }}
- port: health
  path: /metrics
  # The label namespace of the counted pods stays as it is.
  honorLabels: true
  interval: {{ .interval }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- range $field := list "relabelings" "metricRelabelings" }}
  {{- with get $.Values.serviceMonitor $field }}
  {{ $field }}:
    {{- range . }}
    {{- /* The default, which the API server would write: Argo CD would see a difference in the list. */}}
    - {{ merge (dict) . (dict "action" "replace") | toYaml | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The name of the ServiceAccount of the service, or with component of the reaper: the chart's own, or one that exists. */}}
{{- define "webhook.serviceAccount" -}}
{{- $own := eq (.component | default "webhook") "webhook" }}
{{- $values := ternary .root.Values.serviceAccount .root.Values.reaper.serviceAccount $own }}
{{- if $values.create }}
{{- $values.name | default (printf "%s%s" (include "webhook.fullname" .root) (ternary "" "-reaper" $own)) }}
{{- else }}
{{- required (printf "%sserviceAccount.name: name the ServiceAccount that gets the rights, or set create" (ternary "" "reaper." $own)) $values.name }}
{{- end }}
{{- end }}

{{/* A ServiceAccount as an object, empty if it exists already. Arguments as above. */}}
{{- define "webhook.serviceAccountObject" -}}
{{- $values := ternary .root.Values.serviceAccount .root.Values.reaper.serviceAccount (eq (.component | default "webhook") "webhook") }}
{{- if $values.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "webhook.serviceAccount" . | toYaml }}
  labels: {{- include "webhook.labels" . | nindent 4 }}
  namespace: {{ toYaml .root.Release.Namespace }}
  {{- with $values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
# The pods mount a token where they send requests to the API server.
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{- define "webhook.serviceAccountSubject" -}}
kind: ServiceAccount
name: {{ include "webhook.serviceAccount" . | toYaml }}
namespace: {{ toYaml .root.Release.Namespace }}
{{- end }}

{{/* Whether a request comes from the service, or with component from the reaper, in CEL. */}}
{{- define "webhook.isItself" -}}
request.userInfo.username == 'system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "webhook.serviceAccount" . }}'
{{- end }}

{{- define "webhook.image" -}}
{{- $registry := (.Values.global | default dict).imageRegistry | default .Values.image.registry }}
{{- with .Values.image }}
{{- if and (eq $registry "localhost") (regexMatch "^(localhost|[^/]*[.:][^/]*)/" .repository) }}
{{- fail (printf "image.repository: %s begins with a registry, and image.registry is %s; give the registry as image.registry alone" .repository $registry) }}
{{- end }}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The Secrets with registry credentials as a pod lists them, each once: those of a parent chart may be plain names. Empty: there are none. */}}
{{- define "webhook.pullSecrets" -}}
{{- $secrets := list }}
{{- range concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $secrets | uniq }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The constraints on how pods are spread, with the labels of these pods where a constraint has no selector of its own. Argument: a dict with
root, and optionally component. */}}
{{- define "webhook.spread" -}}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "webhook.selector" . | fromYaml)) }}
{{- if semverCompare ">=1.27.0-0" .root.Capabilities.KubeVersion.Version }}
{{- /* Otherwise the pods that a rolling update is about to terminate would count as well. */}}
{{- $_ := set $own "matchLabelKeys" (list "pod-template-hash") }}
{{- end }}
{{- range .root.Values.topologySpreadConstraints }}
- {{ hasKey . "labelSelector" | ternary . (merge (deepCopy .) $own) | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The namespace in which helm test creates its task pod; empty: there is no test, since no value names one in which the webhook is called. */}}
{{- define "webhook.testNamespace" -}}
{{- .Values.test.namespace | default (first (.Values.webhook.namespaces | default (list ""))) }}
{{- end }}

{{/* Annotations of an object of helm test. Argument: its place in their order. */}}
{{- define "webhook.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Fails if extraEnv sets a setting: the pod would then have the variable twice. */}}
{{- define "webhook.checkEnvironment" -}}
{{- range .Values.extraEnv }}
{{- if hasPrefix "AIRFLOW_SIDECAR_WEBHOOK__" .name }}
{{- fail (printf "extraEnv: %s is a setting of the service; give it as settings.%s" .name (trimPrefix "AIRFLOW_SIDECAR_WEBHOOK__" .name | lower)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" or empty: whether the webhook watches the cluster, manages its certificates, and so sends requests to the API server. */}}
{{- define "webhook.watchesCluster" -}}
{{- if ne (include "webhook.text" (dig "native_sidecars" "auto" (.Values.settings | default dict))) "off" }}true{{ end }}
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
{{ include "webhook.fullname" . }}-tls
{{- end }}
{{- end }}

{{/* The namespaces in which the API server calls the webhook, as a selector: by the label, by names, or by a selector of the admin's. Its own may be
among them, since the matchConditions leave its own pods out; an API server before 1.28 ignores those, and would call it for its own pods, too. */}}
{{- define "webhook.namespaces" -}}
{{- $excluded := list "kube-system" "kube-node-lease" }}
{{- if semverCompare "<1.28.0-0" .Capabilities.KubeVersion.Version }}
{{- $excluded = append $excluded .Release.Namespace | uniq }}
{{- end }}
{{- $selector := dict "matchLabels" (dict "airflow-sidecar-webhook" "enabled") }}
{{- with .Values.webhook.namespaces }}
{{- $selector = dict "matchExpressions" (list (dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" (uniq .))) }}
{{- end }}
{{- with .Values.webhook.namespaceSelector }}
{{- $selector = . }}
{{- end }}
{{- with $selector.matchLabels }}
matchLabels: {{ toJson . }}
{{- end }}
matchExpressions:
  {{- range $selector.matchExpressions }}
  - {{ toJson . }}
  {{- end }}
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ $excluded | toJson }}
{{- end }}

{{/* Fails if the namespaces are given twice, or the webhook is never called in one of them. */}}
{{- define "webhook.checkNamespaces" -}}
{{- if and .Values.webhook.namespaces .Values.webhook.namespaceSelector }}
{{- fail "webhook.namespaces: must be empty with webhook.namespaceSelector, which alone selects the namespaces" }}
{{- end }}
{{- with .Values.webhook.namespaceSelector }}
{{- if not (or .matchLabels .matchExpressions) }}
{{- fail "webhook.namespaceSelector: without matchLabels and matchExpressions it selects every namespace; give one of them, or {} for the label airflow-sidecar-webhook=enabled" }}
{{- end }}
{{- end }}
{{- range .Values.webhook.namespaces }}
{{- if has . (list "kube-system" "kube-node-lease") }}
{{- fail (printf "webhook.namespaces: the webhook is never called in %s; remove it there" .) }}
{{- end }}
{{- end }}
{{- with .Values.test.namespace }}
{{- if or (has . (list "kube-system" "kube-node-lease")) (and $.Values.webhook.namespaces (not (has . $.Values.webhook.namespaces))) }}
{{- fail (printf "test.namespace: the webhook is never called in %s; name a namespace in which it is" .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The namespaces of the reaper, as a JSON list: its own names, or else those of the webhook. */}}
{{- define "webhook.reaperNamespaces" -}}
{{- .Values.reaper.namespaces | default (.Values.reaper.allNamespaces | ternary list (.Values.webhook.namespaces | default list)) | uniq | toJson }}
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

{{- define "webhook.hasEntrypoints" -}}
{{- with .Values.entrypoints }}{{ if or .images .candidates }}true{{ end }}{{ end }}
{{- end }}

{{/* Further sidecars and image rules, as the files that the service reads; empty if there are none. */}}
{{- define "webhook.rules" -}}
{{- with .Values.sidecars }}
sidecars.yaml: {{ toYaml . | quote }}
{{- end }}
{{- if include "webhook.hasEntrypoints" . }}
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
service_name: {{ include "webhook.fullname" . }}
ca_secret: {{ include "webhook.fullname" . }}-authority
configuration: {{ include "webhook.fullname" . }}
{{- else }}
certificates: files
certificate_file: /etc/airflow-sidecar-webhook/tls/tls.crt
private_key_file: /etc/airflow-sidecar-webhook/tls/tls.key
{{- end }}
{{- if .Values.sidecars }}
sidecars_file: /etc/airflow-sidecar-webhook/rules/sidecars.yaml
{{- end }}
{{- if include "webhook.hasEntrypoints" . }}
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

{{/* The reaper's methods, as a JSON list. Before Kubernetes 1.30 no policy could limit the right of the method deadline. */}}
{{- define "webhook.reaperMethods" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}
{{- toJson .Values.reaper.methods }}
{{- else }}
{{- without .Values.reaper.methods "deadline" | toJson }}
{{- end }}
{{- end }}

{{/* What the reaper may do with pods and Events, as rules of a Role or a ClusterRole. */}}
{{- define "webhook.reaperRules" -}}
{{- $acts := eq .Values.reaper.mode "act" }}
{{- $watches := eq .Values.reaper.kind "Deployment" }}
{{- $methods := include "webhook.reaperMethods" . | fromJsonArray }}
- apiGroups: [""]
  resources: [pods]
  verbs: {{ if $acts }}[get, list, watch]{{ else if $watches }}[list, watch]{{ else }}[list]{{ end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- if $acts }}
{{- if has "quit" $methods }}
# A port-forward begins with a GET; from Kubernetes 1.35 on it needs create, too.
- apiGroups: [""]
  resources: [pods/portforward]
  verbs: [get, create]
{{- end }}
{{- if has "exec" $methods }}
- apiGroups: [""]
  resources: [pods/exec]
  verbs: [get, create]
{{- end }}
{{- if has "deadline" $methods }}
# RBAC cannot limit it to a field: a ValidatingAdmissionPolicy does.
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end }}
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

{{/* The pod of the reaper, as the spec of its template. */}}
{{- define "webhook.reaperPod" -}}
{{- $watches := eq .Values.reaper.kind "Deployment" }}
{{- $rules := include "webhook.rules" . }}
serviceAccountName: {{ include "webhook.serviceAccount" (dict "root" . "component" "reaper") | toYaml }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- if not $watches }}
restartPolicy: Never
{{- end }}
{{- with include "webhook.pullSecrets" . }}
imagePullSecrets: {{- . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- if $watches }}
# The last acts may take 20 s (webhook/reaper/controller.py), and 10 s to spare.
terminationGracePeriodSeconds: 30
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and $watches .Values.topologySpreadConstraints }}
topologySpreadConstraints: {{- include "webhook.spread" (dict "root" . "component" "reaper") | trim | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: reaper
    image: {{ include "webhook.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - reaper
      {{- if $watches }}
      - --lease={{ include "webhook.fullname" . }}-reaper
      {{- else }}
      - --once
      {{- end }}
      {{- if ne .Values.reaper.mode "act" }}
      - --dry-run
      {{- end }}
      {{- range include "webhook.reaperNamespaces" . | fromJsonArray }}
      - --namespace={{ . }}
      {{- end }}
      {{- if .Values.reaper.allNamespaces }}
      - --all-namespaces
      {{- end }}
      - --methods={{ include "webhook.reaperMethods" . | fromJsonArray | join "," }}
      - --grace={{ int64 .Values.reaper.graceSeconds }}
      {{- if .Values.reaper.unmarked }}
      - --unmarked
      {{- end }}
      {{- if .Values.reaper.endSuccessful }}
      - --end-successful
      {{- end }}
    {{- if or $watches .Values.sidecars .Values.extraEnv }}
    env:
      {{- if .Values.sidecars }}
      - name: AIRFLOW_SIDECAR_WEBHOOK__SIDECARS_FILE
        value: /etc/airflow-sidecar-webhook/rules/sidecars.yaml
      {{- end }}
      {{- if $watches }}
      - name: AIRFLOW_SIDECAR_WEBHOOK__HEALTH_PORT
        value: {{ .Values.ports.health | quote }}
      {{- range $name := list "host" "log_level" }}
      {{- with index ($.Values.settings | default dict) $name }}
      - name: AIRFLOW_SIDECAR_WEBHOOK__{{ upper $name }}
        value: {{ include "webhook.text" . | quote }}
      {{- end }}
      {{- end }}
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- if $watches }}
    ports:
      - name: health
        containerPort: {{ .Values.ports.health }}
    startupProbe:
      httpGet: {path: /healthz, port: health}
      periodSeconds: 1
      failureThreshold: 60
    readinessProbe:
      httpGet: {path: /readyz, port: health}
      periodSeconds: 5
      timeoutSeconds: 2
    livenessProbe:
      httpGet: {path: /healthz, port: health}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    {{- end }}
    {{- with .Values.reaper.resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.securityContext }}
    securityContext: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if or $rules .Values.extraVolumeMounts }}
    volumeMounts:
      {{- if $rules }}
      - name: rules
        mountPath: /etc/airflow-sidecar-webhook/rules
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- if or $rules .Values.extraVolumes }}
volumes:
  {{- if $rules }}
  - name: rules
    configMap:
      name: {{ include "webhook.fullname" . }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
