# Builds build/app for linux/amd64 and publishes it to the function app that azd provisioned. A zip made on
# Windows loses the handler's execute bit, so Core Tools makes it: it marks the file that host.json names.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

$app = azd env get-value AZURE_FUNCTION_APP_NAME
make package
Set-Location build/app
func azure functionapp publish $app --custom
