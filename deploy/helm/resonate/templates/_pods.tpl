{{/* What servers and workers have in common: names, labels, and what a pod may not do. */}}

{{/* A release may have dots in its name, and a Service may not. */}}
{{- define "resonate.name" -}}
{{ .Values.nameOverride | default .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "resonate.labels" -}}
app.kubernetes.io/part-of: resonate
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "resonate.server.selector" -}}
app.kubernetes.io/name: resonate-server
app.kubernetes.io/instance: {{ include "resonate.name" . }}
{{- end }}

{{- define "resonate.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "resonate.image" -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .version }}{{ end }}
{{- end }}

{{/* SQLite is served by one: whoever asks for more is told, rather than given less than asked for. */}}
{{- define "resonate.server.replicas" -}}
{{- $isPostgres := eq .Values.server.storage.type "postgres" -}}
{{- $replicas := ternary 3 1 $isPostgres -}}
{{- if not (kindIs "invalid" .Values.server.replicas) }}{{ $replicas = int .Values.server.replicas }}{{ end -}}
{{- if and (not $isPostgres) (gt $replicas 1) -}}
{{- fail (printf "server.replicas is %d, but a SQLite file is served by one server: set server.storage.type to postgres, or replicas to 1" $replicas) -}}
{{- end -}}
{{ $replicas }}
{{- end }}

{{/* The variables of what server.settings says. A number must not become 1e+06, and a list is written with commas. */}}
{{- define "resonate.server.settings" -}}
{{- $own := dict "server.url" "server.url" "server.shutdown_timeout" "server.shutdownTimeoutSeconds" "storage.type" "server.storage.type" "storage.postgres.url" "server.storage.postgres" "storage.sqlite.path" "server.storage.sqlite" -}}
{{- range $name, $value := .Values.server.settings }}
{{- if hasKey $own $name }}{{ fail (printf "server.settings has %s, which the chart sets: use the value %s" $name (get $own $name)) }}{{ end }}
{{- if has $name (list "server.port" "observability.metrics_port") }}{{ fail (printf "server.settings has %s: in this chart the API is on port 8001 and metrics on 9090" $name) }}{{ end }}
- name: RESONATE_{{ $name | replace "." "__" | upper }}
  value: {{ if kindIs "slice" $value }}{{ join "," $value | quote }}{{ else if kindIs "float64" $value }}{{ printf "%.0f" $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}

{{/* What servers speak: where they have a certificate they speak TLS, and nothing else, metrics included. */}}
{{- define "resonate.scheme" -}}
{{ if hasKey .Values.server.settings "server.tls.cert" }}https{{ else }}http{{ end }}
{{- end }}

{{- define "resonate.url" -}}
{{ .Values.server.url | default (printf "%s://%s:8001" (include "resonate.scheme" .) (include "resonate.name" .)) }}
{{- end }}

{{/* As whom and where a pod runs, where its values say anything. */}}
{{- define "resonate.placement" -}}
{{- with .serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pod of a server, the same in a Deployment on PostgreSQL and in a StatefulSet on a volume. */}}
{{- define "resonate.server.pod" -}}
{{- $server := .Values.server -}}
{{- $isPostgres := eq $server.storage.type "postgres" -}}
{{- $scheme := include "resonate.scheme" . | upper -}}
metadata:
  labels:
    {{- include "resonate.server.selector" . | nindent 4 }}
    {{- include "resonate.labels" . | nindent 4 }}
    {{- with $server.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $server.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  # A Service called resonate would put RESONATE_PORT and its like into every pod, which mean something else here.
  enableServiceLinks: false
  securityContext: {{- toYaml .Values.podSecurityContext | nindent 4 }}
  # The pause of preStop, the stop itself, and a margin.
  terminationGracePeriodSeconds: {{ add 5 $server.shutdownTimeoutSeconds 15 }}
  {{- with $server.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $isPostgres (not $server.topologySpreadConstraints) }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "resonate.server.selector" . | nindent 10 }}
  {{- end }}
  containers:
    - name: server
      image: {{ include "resonate.image" (dict "image" $server.image "version" .Chart.AppVersion) }}
      imagePullPolicy: {{ $server.image.pullPolicy }}
      args: [serve]
      securityContext: {{- include "resonate.container.security" . | nindent 8 }}
      ports:
        - { name: api, containerPort: 8001 }
        - { name: metrics, containerPort: 9090 }
      env:
        - name: RESONATE_SERVER__URL
          value: {{ include "resonate.url" . | quote }}
        - name: RESONATE_SERVER__SHUTDOWN_TIMEOUT
          value: {{ printf "%vs" $server.shutdownTimeoutSeconds | quote }}
        - name: RESONATE_STORAGE__TYPE
          value: {{ $server.storage.type }}
        {{- if $isPostgres }}
        - name: RESONATE_STORAGE__POSTGRES__URL
          valueFrom:
            secretKeyRef:
              name: {{ $server.storage.postgres.secretName }}
              key: {{ $server.storage.postgres.secretKey }}
        {{- else }}
        - name: RESONATE_STORAGE__SQLITE__PATH
          value: /var/lib/resonate/resonate.db
        {{- end }}
        {{- with include "resonate.server.settings" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $server.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $server.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      # Alive, not ready: a database that is away for a minute is no reason to restart a server, and one that starts may have a
      # migration to carry out first.
      startupProbe:
        httpGet: { path: /health, port: api, scheme: {{ $scheme }} }
        periodSeconds: 2
        failureThreshold: {{ div (add $server.startTimeoutSeconds 1) 2 }}
      livenessProbe:
        httpGet: { path: /health, port: api, scheme: {{ $scheme }} }
        periodSeconds: 10
        timeoutSeconds: 5
      # Asks the database. Without it a server gets no requests and keeps its workers.
      readinessProbe:
        httpGet: { path: /ready, port: api, scheme: {{ $scheme }} }
        periodSeconds: 5
        timeoutSeconds: 6
        failureThreshold: 2
      # Until every node has heard that the pod is going, requests still come.
      lifecycle:
        preStop:
          exec: { command: [sleep, "5"] }
      resources: {{- toYaml $server.resources | nindent 8 }}
      {{- if or $server.volumeMounts (not $isPostgres) }}
      volumeMounts:
        {{- if not $isPostgres }}
        - { name: data, mountPath: /var/lib/resonate }
        {{- end }}
        {{- with $server.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
  {{- with $server.volumes }}
  volumes: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "resonate.placement" $server | nindent 2 }}
{{- end }}
