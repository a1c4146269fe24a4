// The event store on Azure Functions Flex Consumption: one app, one storage account without keys, one
// identity, Application Insights without keys; PostgreSQL and a virtual network where they are asked for.
targetScope = 'subscription'

@description('Name of the azd environment; names and tags derive from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of all resources. It must offer Flex Consumption.')
param location string

@description('Object id of a person or group who may read and write the storage from a workstation, as handler fsck, export and move do. Empty for none.')
param operatorId string = ''

@description('Instances that are kept warm for HTTP. Each is billed all the time.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttp int = 0

@description('Most instances for one group of functions.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How the storage is replicated: over zones where the region has them. Copies in another region trail behind, and a failover to one would lose acknowledged events.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Whether to add a PostgreSQL Flexible Server, with Entra identities only, for topics of the postgres adapter.')
param postgresEnabled bool = false

@description('Whether the app, the storage and PostgreSQL meet in a virtual network, closed to the outside.')
param vnetEnabled bool = false

@description('Client id of an Entra application. With one, callers sign in and their app roles say what they may; see docs/deploy.md.')
param entraClientId string = ''

@description('Address of a collector of OTLP over HTTP, such as https://collector.example:4318, that traces and metrics are sent to. Empty for none.')
param otlpEndpoint string = ''

@description('Headers for the collector: name=value pairs, comma-separated; better a Key Vault reference than a key.')
@secure()
param otlpHeaders string = ''

@description('Mail address that alerts go to. Empty for no alerts.')
param alertEmail string = ''

@description('When read models are brought up to date: six-field NCRONTAB, UTC.')
param projectSchedule string = '0 * * * * *'

@description('When callbacks are delivered.')
param deliverSchedule string = '0 * * * * *'

@description('When rebuilds go on.')
param replaySchedule string = '0 * * * * *'

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  scope: group
  name: 'identity'
  params: { name: 'id-${token}', location: location, tags: tags }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  scope: group
  name: 'network'
  params: { name: 'vnet-${token}', location: location, tags: tags }
}

module storage 'app/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    identityPrincipalId: identity.outputs.principalId
    operatorId: operatorId
    sku: storageSku
    privateEndpointSubnetId: vnetEnabled ? network!.outputs.endpointsSubnetId : ''
    vnetId: vnetEnabled ? network!.outputs.vnetId : ''
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    token: token
    location: location
    tags: tags
    identityPrincipalId: identity.outputs.principalId
  }
}

module alerts 'app/alerts.bicep' = if (!empty(alertEmail)) {
  scope: group
  name: 'alerts'
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId, email: alertEmail }
}

module postgres 'app/postgres.bicep' = if (postgresEnabled) {
  scope: group
  name: 'postgres'
  params: {
    name: 'psql-${token}'
    location: location
    tags: tags
    administratorName: identity.outputs.name
    administratorPrincipalId: identity.outputs.principalId
    subnetId: vnetEnabled ? network!.outputs.postgresSubnetId : ''
    vnetId: vnetEnabled ? network!.outputs.vnetId : ''
  }
}

module app 'app/app.bicep' = {
  scope: group
  name: 'app'
  params: {
    name: 'func-${token}'
    planName: 'plan-${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'eventstore' })
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    insightsName: monitoring.outputs.insightsName
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    alwaysReadyHttp: alwaysReadyHttp
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    projectSchedule: projectSchedule
    deliverSchedule: deliverSchedule
    replaySchedule: replaySchedule
    entraClientId: entraClientId
    otlpEndpoint: otlpEndpoint
    otlpHeaders: otlpHeaders
    postgresUrl: postgresEnabled ? postgres!.outputs.url : ''
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = app.outputs.name
output EVENTSTORE_URL string = app.outputs.url
