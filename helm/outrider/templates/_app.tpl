{{- /* The container of the app, when this chart runs it. */}}
{{- define "outrider.app" -}}
name: {{ .Values.app.name }}
image: {{ .Values.app.image }}
{{- range $key := list "command" "args" "ports" "env" "envFrom" "lifecycle" "resources" "volumeMounts" "securityContext" }}
{{- with index $.Values.app $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
