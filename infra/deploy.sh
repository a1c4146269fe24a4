#!/bin/sh
# Builds build/app for linux/amd64 and publishes it to the function app that azd provisioned.
# Needs Go, zip and the Azure CLI, signed in.
set -eu
cd "$(dirname "$0")/.."

app=$(azd env get-value AZURE_FUNCTION_APP_NAME)
group=$(azd env get-value AZURE_RESOURCE_GROUP)

make package
rm -f build/app.zip
# zip keeps the handler's execute bit; the host can't set it on the read-only package.
(cd build/app && zip -q -r -X ../app.zip .)

az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src build/app.zip
az functionapp show --resource-group "$group" --name "$app" --query defaultHostName --output tsv
