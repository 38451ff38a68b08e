{{- define "yuetone.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "yuetone.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Labels that choose the pods of a part: (list . "node") */ -}}
{{- define "yuetone.selector" -}}
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "yuetone.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "yuetone.secrets" -}}
{{- if .Values.secrets.existing -}}{{ .Values.secrets.existing }}
{{- else if .Values.secrets.values -}}{{ include "yuetone.name" . }}
{{- else -}}{{ fail "secrets: name a Secret that is there (secrets.existing), or give secrets.values" }}{{- end -}}
{{- end }}

{{- /* Secrets that nodes cannot do without */ -}}
{{- define "yuetone.needed" -}}
{{- $needed := list "YUETONE_CLUSTER__URL" "YUETONE_CLUSTER__SECRET" "YUETONE_ALERTS__STORE" "YUETONE_SUGGEST__STORE" "YUETONE_ACCESS__STORE" -}}
{{- if .Values.pool.enabled }}{{ $needed = append $needed "YUETONE_ASR__REMOTE_SECRET" }}{{ end -}}
{{- if not .Values.secrets.existing -}}
{{- range $name := $needed -}}
{{- if not (hasKey $.Values.secrets.values $name) }}{{ fail (printf "secrets.values.%s: nodes that do not share it do not share their calls" $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toJson $needed -}}
{{- end }}

{{- define "yuetone.tls" -}}
{{- if .Values.tls.secret -}}{{ .Values.tls.secret }}
{{- else if .Values.tls.issuer -}}{{ include "yuetone.name" . }}-tls
{{- else -}}{{ fail "tls: name a Secret of type kubernetes.io/tls with ca.crt (tls.secret), or an issuer of cert-manager (tls.issuer)" }}{{- end -}}
{{- end }}

{{- /* Names that the certificate must be good for */ -}}
{{- define "yuetone.names" -}}
{{- $name := include "yuetone.name" . -}}
{{- $names := list $name (printf "%s.%s.svc" $name .Release.Namespace) (printf "*.%s-nodes.%s.svc" $name .Release.Namespace) -}}
{{- if .Values.pool.enabled }}{{ $names = append $names (printf "%s-pool" $name) }}{{ end -}}
{{- concat $names .Values.tls.names | toJson -}}
{{- end }}

{{- /* Processes of a pod that Prometheus reads: nodes, and behind their ports gateways */ -}}
{{- define "yuetone.measured" -}}
{{- $gateways := int .Values.nodes.gateways -}}
{{- if not $gateways }}{{ $gateways = div (add (int .Values.nodes.perPod) 1) 2 }}{{ end -}}
{{- add (int .Values.nodes.perPod) $gateways -}}
{{- end }}

{{- define "yuetone.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "yuetone.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "yuetone.common" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "yuetone.podSecurity" . | nindent 2 }}
{{- end }}
