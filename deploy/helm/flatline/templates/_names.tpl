{{- define "flatline.name" -}}
{{- if contains "flatline" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-flatline" (.Release.Name | trunc 41 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "flatline.selector" -}}
app.kubernetes.io/name: flatline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "flatline.labels" -}}
{{ include "flatline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "flatline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "flatline.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "flatline.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "flatline.secret" -}}
{{ .Values.certificates.secretName | default (printf "%s-tls" (include "flatline.name" .)) }}
{{- end }}

{{- define "flatline.configuration" -}}
{{ include "flatline.name" . }}-{{ .Release.Namespace }}
{{- end }}
