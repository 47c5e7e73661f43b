{{- /*
For your own chart: list this one as a dependency with `deployment.enabled: false`, and in the Pod's spec write

    initContainers:
      {{- include "outrider.sidecar.initContainers" .Subcharts.outrider | nindent 8 }}
    containers:
      {{- include "outrider.sidecar.containers" .Subcharts.outrider | nindent 8 }}
    volumes:
      {{- include "outrider.sidecar.volumes" .Subcharts.outrider | nindent 8 }}

One of the first two is empty: a native sidecar is an init container, a plain one stands among the containers.
*/}}
{{- define "outrider.sidecar.initContainers" -}}
{{- if include "outrider.native" . }}
{{- include "outrider.sidecar" . }}
{{- end }}
{{- end }}

{{- define "outrider.sidecar.containers" -}}
{{- if not (include "outrider.native" .) }}
{{- include "outrider.sidecar" . }}
{{- end }}
{{- end }}

{{- /* The container beside an app, as an item of a list. */}}
{{- define "outrider.sidecar" -}}
- {{ include "outrider.container" . | nindent 2 | trim }}
{{- if include "outrider.native" . }}
  restartPolicy: Always
{{- end }}
{{- end }}

{{- define "outrider.container" -}}
name: outrider
image: {{ include "outrider.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, -c, /etc/outrider/outrider.yaml, --on-bad-config=last-good]
ports:
  - {name: outrider, containerPort: {{ include "outrider.port" . }}, protocol: TCP}
  {{- range $key := list "agent_check" "grpc_health" }}
  {{- with include "outrider.portOf" (list $ $key) }}
  - {name: {{ $key | replace "_" "-" }}, containerPort: {{ . }}, protocol: TCP}
  {{- end }}
  {{- end }}
  {{- range $key := list "http" "grpc" }}
  {{- with include "outrider.otlpPort" (list $ $key) }}
  - {name: otlp-{{ $key }}, containerPort: {{ . }}, protocol: TCP}
  {{- end }}
  {{- end }}
env:  # what `traces.detect_resource` adds to spans
  - {name: K8S_POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: K8S_POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
  - {name: K8S_NAMESPACE_NAME, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: K8S_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  {{- if .Values.app.image }}
  - {name: K8S_CONTAINER_NAME, value: {{ .Values.app.name | quote }}}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- if or .Values.existingSecret .Values.extraEnvFrom }}
envFrom:
  {{- with .Values.existingSecret }}
  - secretRef: {name: {{ tpl . $ }}}
  {{- end }}
  {{- with .Values.extraEnvFrom }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}
startupProbe:
  httpGet: {path: /livez, port: outrider}
  {{- toYaml .Values.startupProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: outrider}
  {{- toYaml .Values.livenessProbe | nindent 2 }}
{{- if .Values.readinessProbe.enabled }}
readinessProbe:
  httpGet: {path: /readyz, port: outrider}
  {{- omit .Values.readinessProbe "enabled" | toYaml | nindent 2 }}
{{- end }}
lifecycle:
  preStop: {exec: {command: {{ include "outrider.drain" . }}}}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: outrider-config, mountPath: /etc/outrider, readOnly: true}
  - {name: outrider-state, mountPath: /var/lib/outrider}
  - {name: outrider-tmp, mountPath: /tmp}
  {{- if .Values.existingSecretFiles }}
  - {name: outrider-secrets, mountPath: /run/secrets/outrider, readOnly: true}
  {{- end }}
  {{- if .Values.peers.existingSecret }}
  - {name: outrider-peers, mountPath: /run/secrets/outrider-peers, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "outrider.sidecar.volumes" -}}
- name: outrider-config
  configMap: {name: {{ include "outrider.configMapName" . }}}
- name: outrider-state
  {{- toYaml (.Values.stateVolume | default (dict "emptyDir" dict)) | nindent 2 }}
- name: outrider-tmp
  emptyDir: {}
{{- with .Values.existingSecretFiles }}
- name: outrider-secrets
  secret: {secretName: {{ tpl . $ }}, defaultMode: 0440}
{{- end }}
{{- with .Values.peers.existingSecret }}
- name: outrider-peers
  secret: {secretName: {{ tpl . $ }}, defaultMode: 0440, items: [{key: {{ $.Values.peers.key }}, path: token}]}
{{- end }}
{{- with .Values.extraVolumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}
