// Alerts by mail: on what the host records of every invocation, on what the store logs, and on the metrics that it sends where
// OTEL_EXPORTER_OTLP_ENDPOINT leads to this workspace. The same for Prometheus: ../monitoring/prometheus-rules.yaml.
param location string
param tags object
param workspaceId string
param email string

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-eventstore'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'eventstore'
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var rules = [
  {
    name: 'server-errors'
    severity: 1
    description: 'More than 5 of 100 invocations over HTTP were answered with 5xx.'
    query: 'AppRequests | where isnotempty(Url) | summarize failed = countif(toint(ResultCode) >= 500), all = count() | where all >= 20 and failed * 20 > all'
  }
  {
    name: 'timers-failing'
    severity: 1
    description: 'A timer failed more than twice. Nothing is folded or delivered by it meanwhile.'
    query: 'AppRequests | where Name in ("project", "deliver", "replay") and not(Success) | summarize failures = count() by Name | where failures > 2'
  }
  {
    name: 'projection-failed'
    severity: 1
    description: 'A projection can not go on. GET /projections/{name} tells the event and why.'
    query: 'AppTraces | where Message has "a projection can\'t go on" | extend line = parse_json(Message) | summarize count() by projection = tostring(line.projection)'
  }
  {
    name: 'subjects-parked'
    severity: 2
    description: 'Deliveries were given up. GET /topics/{topic}/subscriptions/{id}/parked lists them.'
    query: 'AppTraces | where Message has "delivery failed" | extend line = parse_json(Message) | where tobool(line.parked) | summarize count() by topic = tostring(line.topic), subscription = tostring(line.subscription)'
  }
  {
    name: 'projection-behind'
    severity: 2
    description: 'The first event that a projection has not folded is older than five minutes.'
    query: 'AppMetrics | where Name == "eventstore.projection.age" | summarize age = max(Max) by projection = tostring(Properties["eventstore.projection"]) | where age > 300'
  }
  {
    name: 'subscription-behind'
    severity: 2
    description: 'The next event of a subscription has waited for longer than five minutes.'
    query: 'AppMetrics | where Name == "eventstore.subscription.age" | summarize age = max(Max) by topic = tostring(Properties["eventstore.topic"]), subscription = tostring(Properties["eventstore.subscription"]) | where age > 300'
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-03-15-preview' = [for rule in rules: {
  name: 'alert-eventstore-${rule.name}'
  location: location
  tags: tags
  properties: {
    displayName: 'eventstore: ${rule.name}'
    description: rule.description
    enabled: true
    severity: rule.severity
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    skipQueryValidation: true // a table is there only when the first row of it has come
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [group.id] }
  }
}]
