{{- /* A Service's name has no dots, does not begin with a digit, and leaves room for what is appended. */ -}}
{{- define "flatline.name" -}}
{{- $name := regexReplaceAll "^([0-9])" (replace "." "-" .Release.Name) "r${1}" }}
{{- $whole := ternary $name (printf "%s-flatline" $name) (contains "flatline" $name) }}
{{- if and (eq $name .Release.Name) (le (len $whole) 50) }}{{ $whole }}
{{- else }}{{ printf "%s-%s" ($whole | trunc 42 | trimSuffix "-") (.Release.Name | sha256sum | trunc 7) }}{{ end }}
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

{{- /* A quantity as a number; its pattern stands in values.schema.json. */ -}}
{{- define "flatline.amount" -}}
{{- $number := regexFind "^[0-9.]+(e[+][0-9]+)?" (toString .) }}
{{- $suffix := trimPrefix $number (toString .) }}
{{- $times := dict "" 1.0 "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- mulf (float64 $number) (get $times $suffix) }}
{{- end }}
