// The account that keeps the topics and documents, the host's own state and the deployed package. It has
// no shared keys: every access is by Entra identity.
param name string
param location string
param tags object
param identityPrincipalId string
param operatorId string
param sku string
param privateEndpointSubnetId string
param vnetId string

var closed = !empty(privateEndpointSubnetId)
var deployment = 'app-package'

// Storage Blob Data Owner: the host's leases, timer state and function keys, the deployed package, and the
// topics and documents of the app itself. No queue, no table: no function uses them.
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
// Storage Blob Data Contributor: what the commands that work on the storage itself need, from a workstation.
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: closed ? 'Deny' : 'Allow', bypass: 'None' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource package 'containers' = {
      name: deployment
    }

    resource events 'containers' = {
      name: 'eventstore'
    }
  }
}

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identityPrincipalId, blobDataOwner)
  properties: {
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
  }
}

resource operatorRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorId)) {
  scope: account
  name: guid(account.id, operatorId, blobDataContributor)
  properties: {
    principalId: operatorId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

module endpoint 'endpoint.bicep' = if (closed) {
  name: 'storage-endpoint'
  params: {
    name: '${name}-blob'
    location: location
    tags: tags
    subnetId: privateEndpointSubnetId
    vnetId: vnetId
    serviceId: account.id
    group: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
}

output name string = account.name
output deploymentContainer string = deployment
