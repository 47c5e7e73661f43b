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

{{- /* The file: what the user wrote, and the keys that the chart knows better. */}}
{{- define "outrider.config" -}}
{{- $known := dict "service" .Release.Name "state_dir" "/var/lib/outrider" }}
{{- with include "outrider.peers.known" . | fromYaml }}
{{- $known = merge $known (dict "readiness" (dict "peers" .)) }}
{{- end }}
{{- merge (deepCopy .Values.config) $known | toYaml }}
{{- end }}

{{- define "outrider.port" -}}
{{- .Values.port | default ((.Values.config.listen | default dict).public | default "*:9740" | toString | splitList ":" | last) | int }}
{{- end }}

{{- /* The port of another listener in the file, by (list $ KEY); empty when it is off, on a socket or behind a variable. */}}
{{- define "outrider.portOf" -}}
{{- $address := index ((index . 0).Values.config.listen | default dict) (index . 1) | default "" | toString }}
{{- if not (hasPrefix "unix:" $address) }}
{{- regexFind "[0-9]+$" $address }}
{{- end }}
{{- end }}

{{- /* The port of an OTLP receiver that others than this Pod can reach, by (list $ "http"); empty on loopback or a socket. */}}
{{- define "outrider.otlpPort" -}}
{{- $receive := get ((index . 0).Values.config.traces | default dict) "receive" | default dict }}
{{- $address := get $receive (index . 1) | default "" | toString }}
{{- if not (regexMatch "^(127\\.|localhost:|\\[::1\\]|unix:)" $address) }}
{{- regexFind "[0-9]+$" $address }}
{{- end }}
{{- end }}

{{- /* Where the app sends its spans, from the file's `traces`; empty for a socket, or what only Outrider can read. */}}
{{- define "outrider.otlpAddress" -}}
{{- $port := get (.receive | default dict) "http" | default "127.0.0.1:4318" | toString | regexFind ":[0-9]+$" }}
{{- if $port }}http://127.0.0.1{{ $port }}{{ end }}
{{- end }}

{{- /* Whole MiB of a size such as 256MiB, or of a quantity such as 1Gi; empty for what only others can read. */}}
{{- define "outrider.mebibytes" -}}
{{- $text := toString . }}
{{- if regexMatch "^[0-9]+[KMGT]iB?$" $text }}
{{- $unit := dict "K" 0.0009765625 "M" 1.0 "G" 1024.0 "T" 1048576.0 | dig (regexFind "[KMGT]" $text) 0.0 }}
{{- mulf (regexFind "^[0-9]+" $text | float64) $unit | floor }}
{{- end }}
{{- end }}

{{- /* Whole seconds of a duration such as 90s or 1m30s, rounded up; empty for what only Outrider can read. */}}
{{- define "outrider.seconds" -}}
{{- $text := toString . }}
{{- if regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" $text }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+[a-z]+" $text -1 }}
{{- $unit := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 | dig (regexFind "[a-z]+" .) 0.0 }}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" . | float64) $unit) }}
{{- end }}
{{- ceil $sum }}
{{- end }}
{{- end }}

{{- /* The hook must find the admin listener. Where only the file says it, the running agent has left it in the state folder. */}}
{{- define "outrider.drain" -}}
{{- $admin := (.Values.config.listen | default dict).admin | default "" | toString }}
{{- if or .Values.existingConfigMap (contains "${" $admin) }}[outrider, drain]
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
{{- if eq (toString .Values.peers.enabled) "true" }}
{{- if not (include "outrider.peers.selector" .) }}
{{- fail "peers.selector is empty; without this chart's Deployment it must hold the labels of your own Pods" }}
{{- end }}
{{- with include "outrider.peers.way" . }}
{{- fail (printf "peers.enabled is true and config.readiness.peers.%s is set; keep one of them" .) }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not (and .Values.deployment.enabled .Values.service.enabled)) }}
{{- fail "serviceMonitor.enabled needs this chart's Service; enable deployment and service, or use podMonitor" }}
{{- end }}
{{- if and .Values.podMonitor.enabled (not .Values.deployment.enabled) (not .Values.podMonitor.selector) }}
{{- fail "podMonitor.selector is empty; without this chart's Deployment it must hold the labels of your own Pods" }}
{{- end }}
{{- end }}
