// The function app: Flex Consumption, runtime custom, one user-assigned identity, no key of the storage.
param name string
param planName string
param location string
param tags object
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainer string
param insightsName string
param subnetId string
param alwaysReadyHttp int
param maximumInstanceCount int
param instanceMemoryMB int
param projectSchedule string
param deliverSchedule string
param replaySchedule string
param postgresUrl string
param entraClientId string
param otlpEndpoint string
@secure()
param otlpHeaders string

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

var settings = {
  // The host's own storage, and by default the store's, by identity. AzureWebJobsStorage itself stays unset.
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AZURE_CLIENT_ID: identityClientId
  EVENTSTORE_STORE: 'blob:eventstore'
  PROJECT_SCHEDULE: projectSchedule
  DELIVER_SCHEDULE: deliverSchedule
  REPLAY_SCHEDULE: replaySchedule
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

// A topic's configuration names it as %EVENTSTORE_POSTGRES%; it holds no password.
var postgresSettings = empty(postgresUrl) ? {} : { EVENTSTORE_POSTGRES: postgresUrl }

// Set only together with the module below, which alone can vouch for who a request says it is from.
var entraSettings = empty(entraClientId) ? {} : { EVENTSTORE_AUTH: 'entra' }

// The protocol is said aloud, since the host's own default is another.
var telemetrySettings = empty(otlpEndpoint) ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }
var telemetryHeaders = empty(otlpHeaders) ? {} : { OTEL_EXPORTER_OTLP_HEADERS: otlpHeaders }

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      alwaysOn: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttp }]
      }
      runtime: { name: 'custom', version: '1.0' }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, postgresSettings, entraSettings, telemetrySettings, telemetryHeaders)
    // Never without the module: it is what takes away a header that a caller made up.
    dependsOn: [authentication]
  }

  // App Service authentication: who has no token of this Entra application is answered 401 before the host.
  resource authentication 'config' = if (!empty(entraClientId)) {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: true }
      globalValidation: {
        requireAuthentication: true
        unauthenticatedClientAction: 'Return401'
        excludedPaths: ['/health', '/openapi.json']
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: entraClientId
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: { allowedAudiences: [entraClientId, 'api://${entraClientId}'] }
        }
      }
      login: { tokenStore: { enabled: false } }
    }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
