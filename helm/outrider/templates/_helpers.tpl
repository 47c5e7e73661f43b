{{- define "outrider.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Cut at 63, the limit of a label and of a Service's name. */}}
{{- define "outrider.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "outrider.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "outrider.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "outrider.selectorLabels" -}}
app.kubernetes.io/name: {{ include "outrider.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "outrider.labels" -}}
{{ include "outrider.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "outrider.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry }}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "outrider.configMapName" -}}
{{- .Values.existingConfigMap | default (include "outrider.fullname" .) }}
{{- end }}

{{- /* The file: what the user wrote, and the two keys that the chart knows better. */}}
{{- define "outrider.config" -}}
{{- $known := dict "service" .Release.Name "state_dir" "/var/lib/outrider" }}
{{- merge (deepCopy .Values.config) $known | toYaml }}
{{- end }}

{{- define "outrider.port" -}}
{{- .Values.port | default (dig "listen" "public" "*:9740" .Values.config | toString | splitList ":" | last) | int }}
{{- end }}

{{- /* The hook must find the admin listener. A file that we cannot see says it itself. */}}
{{- define "outrider.drain" -}}
{{- $admin := dig "listen" "admin" "" .Values.config | toString }}
{{- if .Values.existingConfigMap }}[outrider, drain, -c, /etc/outrider/outrider.yaml]
{{- else if hasPrefix "unix:" $admin }}[outrider, drain, {{ quote $admin }}]
{{- else if $admin }}[outrider, drain, "http://127.0.0.1:{{ splitList ":" $admin | last }}"]
{{- else }}[outrider, drain]
{{- end }}
{{- end }}

{{- /* "true" for a native sidecar, "" for a plain container. */}}
{{- define "outrider.native" -}}
{{- if eq (toString .Values.sidecar.native) "auto" }}
{{- if semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- else if eq (toString .Values.sidecar.native) "true" }}true
{{- end }}
{{- end }}

{{- /* Values that contradict each other stop the rendering, with what would be right. */}}
{{- define "outrider.validate" -}}
{{- if and .Values.existingConfigMap .Values.config }}
{{- fail "config and existingConfigMap are both set; keep one of them" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not (and .Values.deployment.enabled .Values.service.enabled)) }}
{{- fail "serviceMonitor.enabled needs this chart's Service; enable deployment and service, or use podMonitor" }}
{{- end }}
{{- if and .Values.podMonitor.enabled (not .Values.deployment.enabled) (not .Values.podMonitor.selector) }}
{{- fail "podMonitor.selector is empty; without this chart's Deployment it must hold the labels of your own Pods" }}
{{- end }}
{{- end }}
