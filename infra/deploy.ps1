# Builds the app for Azure and publishes it to the function app that azd provisioned. Needs Go, make with a POSIX
# shell (Git for Windows has one) and the Azure CLI, signed in.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

$app = azd env get-value AZURE_FUNCTION_APP_NAME
$group = azd env get-value AZURE_RESOURCE_GROUP

make zip
if ($LASTEXITCODE -ne 0) { throw 'the app could not be built' }
# The roles that were just given take some minutes to be known everywhere; until then the upload is refused.
for ($attempt = 1; ; $attempt++) {
    az functionapp deployment source config-zip --resource-group $group --name $app --src build/app.zip
    if ($LASTEXITCODE -eq 0) { break }
    if ($attempt -ge 6) { throw 'the app could not be published' }
    Write-Warning "not published yet; attempt $($attempt + 1) of 6 in 30 seconds"
    Start-Sleep -Seconds 30
}
Write-Output "published to $(azd env get-value EVENTSTORE_URL)"
