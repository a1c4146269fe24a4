#!/bin/sh
# Builds the app for Azure and publishes it to the function app that azd provisioned. Needs Go, make and the
# Azure CLI, signed in.
set -eu
cd "$(dirname "$0")/.."

app=$(azd env get-value AZURE_FUNCTION_APP_NAME)
group=$(azd env get-value AZURE_RESOURCE_GROUP)

make zip
# The roles that were just given take some minutes to be known everywhere; until then the upload is refused.
attempt=1
until az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src build/app.zip; do
	[ "$attempt" -lt 6 ] || exit 1
	attempt=$((attempt + 1))
	echo "not published yet; attempt $attempt of 6 in 30 seconds" >&2
	sleep 30
done
echo "published to $(azd env get-value EVENTSTORE_URL)"
