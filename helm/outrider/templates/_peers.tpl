{{- /*
How replicas find each other: a headless Service, for the Pods of this chart's Deployment or those that `peers.selector`
tells, and its name in the file. Both come from the same "outrider.peers.wanted", so neither is there alone.
*/}}
{{- define "outrider.peers.name" -}}
{{ include "outrider.fullname" . | trunc 57 | trimSuffix "-" }}-peers
{{- end }}

{{- /* The labels of the Pods that are each other's peers; empty while nobody has said them. */}}
{{- define "outrider.peers.selector" -}}
{{- if .Values.peers.selector }}
{{- tpl (toYaml .Values.peers.selector) . }}
{{- else if .Values.deployment.enabled }}
{{- include "outrider.selectorLabels" . }}
{{- end }}
{{- end }}

{{- /* The way to the peers that the user's own file names; empty when it names none. */}}
{{- define "outrider.peers.way" -}}
{{- $peers := (.Values.config.readiness | default dict).peers | default dict }}
{{- range $way := list "dns" "urls" "redis" "prometheus" }}
{{- if index $peers $way }}{{ $way }}{{ end }}
{{- end }}
{{- end }}

{{- /* "true" when some probe of the file is shared. */}}
{{- define "outrider.peers.shared" -}}
{{- $default := (.Values.config.defaults | default dict).shared }}
{{- $found := false }}
{{- range .Values.config.probes }}
{{- if kindIs "map" . }}
{{- $found = or $found (ternary .shared $default (hasKey . "shared")) }}
{{- end }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{- /* "true" when there is to be a headless Service. */}}
{{- define "outrider.peers.wanted" -}}
{{- if eq (toString .Values.peers.enabled) "auto" }}
{{- if and (include "outrider.peers.shared" .) (include "outrider.peers.selector" .) (not (include "outrider.peers.way" .)) }}true{{ end }}
{{- else if eq (toString .Values.peers.enabled) "true" }}true
{{- end }}
{{- end }}

{{- /* What the chart adds to `readiness.peers`: the Service's name and the token, each where it applies. */}}
{{- define "outrider.peers.known" -}}
{{- if include "outrider.peers.wanted" . }}
dns: {{ include "outrider.peers.name" . }}
{{- end }}
{{- if and .Values.peers.existingSecret (or (include "outrider.peers.wanted" .) (include "outrider.peers.way" .)) }}
token: "${file:/run/secrets/outrider-peers/token}"
{{- end }}
{{- end }}

{{- define "outrider.peers.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "outrider.peers.name" . }}
  labels:
    {{- include "outrider.labels" . | nindent 4 }}
spec:
  clusterIP: None
  {{- with .Values.peers.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- /* A replica that is unready knows best why: it must be asked too. */}}
  publishNotReadyAddresses: true
  selector:
    {{- include "outrider.peers.selector" . | nindent 4 }}
  ports:
    {{- /* Not called outrider: a ServiceMonitor would scrape every Pod twice. By number: no name must be found in the Pod. */}}
    - {name: peers, port: {{ include "outrider.port" . }}, targetPort: {{ include "outrider.port" . }}, protocol: TCP}
{{- end }}
