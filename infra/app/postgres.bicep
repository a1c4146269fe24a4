// A PostgreSQL Flexible Server that knows Entra identities alone; the app's own is its administrator.
param name string
param location string
param tags object
param administratorName string
param administratorPrincipalId string
param subnetId string
param vnetId string

var closed = !empty(subnetId)

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = if (closed) {
  name: '${name}.private.postgres.database.azure.com'
  location: 'global'
  tags: tags

  resource link 'virtualNetworkLinks' = {
    name: 'vnet'
    location: 'global'
    properties: { registrationEnabled: false, virtualNetwork: { id: vnetId } }
  }
}

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard_B2s', tier: 'Burstable' }
  properties: {
    version: '16'
    storage: { storageSizeGB: 32, autoGrow: 'Enabled' }
    backup: { backupRetentionDays: 14, geoRedundantBackup: 'Disabled' }
    authConfig: { activeDirectoryAuth: 'Enabled', passwordAuth: 'Disabled', tenantId: tenant().tenantId }
    network: closed
      ? { delegatedSubnetResourceId: subnetId, privateDnsZoneArmResourceId: zone.id }
      : { publicNetworkAccess: 'Enabled' }
  }
  // The server resolves its own name in the network from the start on.
  dependsOn: [zone::link]

  // Its tables say COLLATE "C" themselves; another collation than the template's may be refused here.
  resource database 'databases' = {
    name: 'eventstore'
    properties: { charset: 'UTF8', collation: 'en_US.utf8' }
  }

  resource administrator 'administrators' = {
    name: administratorPrincipalId
    properties: {
      principalName: administratorName
      principalType: 'ServicePrincipal'
      tenantId: tenant().tenantId
    }
    dependsOn: [database]
  }
}

// Without a network of its own the app comes from Azure's addresses.
resource azureServices 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2024-08-01' = if (!closed) {
  parent: server
  name: 'azure-services'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
  dependsOn: [server::administrator]
}

output url string = 'postgres://${uriComponent(administratorName)}@${server.properties.fullyQualifiedDomainName}:5432/eventstore?sslmode=verify-full'
