package blob

import (
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"eventstore/core"
)

// The settings that say where the instance's own account is, as the Functions host reads them.
const (
	settingConnection = "AzureWebJobsStorage"
	settingServiceURI = "AzureWebJobsStorage__blobServiceUri"
	settingAccount    = "AzureWebJobsStorage__accountName"
	settingCredential = "AzureWebJobsStorage__credential"
	settingClientID   = "AzureWebJobsStorage__clientId"
	settingAnyClient  = "AZURE_CLIENT_ID"
	// settingEndpoint is set by the platform where there is a managed identity.
	settingEndpoint = "IDENTITY_ENDPOINT"
)

// HasAccount reports whether the settings name an account of the instance's own.
func HasAccount(getenv func(string) string) bool {
	return getenv(settingConnection) != "" || getenv(settingServiceURI) != "" || getenv(settingAccount) != ""
}

// AccountFromSettings is the instance's own account: the connection string in
// AzureWebJobsStorage (UseDevelopmentStorage=true is the emulator), else the service URL in
// AzureWebJobsStorage__blobServiceUri or the account named in AzureWebJobsStorage__accountName,
// with Entra identity. An error is a *core.InvalidError whose place is the setting.
func AccountFromSettings(getenv func(string) string) (Account, error) {
	if connection := getenv(settingConnection); connection != "" {
		return ParseAccount(settingConnection, connection)
	}
	if kind := getenv(settingCredential); kind != "" && kind != "managedidentity" {
		return Account{}, core.Invalid(settingCredential, "is %q; the only kind there is is managedidentity", kind)
	}
	if uri := getenv(settingServiceURI); uri != "" {
		if !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "http://") {
			return Account{}, core.Invalid(settingServiceURI, "is not a URL of the form https://ACCOUNT.blob.core.windows.net")
		}
		return ParseAccount(settingServiceURI, uri)
	}
	name := getenv(settingAccount)
	if name == "" {
		return Account{}, core.Invalid(settingConnection, "is not set, nor is %s or %s: there is no storage account to use", settingServiceURI, settingAccount)
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || len(name) < 3 || len(name) > 24 {
		return Account{}, core.Invalid(settingAccount, "%q is no account's name: 3 to 24 lower-case letters and digits", name)
	}
	return ParseAccount(settingAccount, "https://"+name+".blob.core.windows.net")
}

// NewCredential is the identity of this process: the managed identity where the platform has
// one (user-assigned by AzureWebJobsStorage__clientId or AZURE_CLIENT_ID, else the system's),
// and what azidentity finds on a developer's machine elsewhere. It caches tokens: make one a process.
func NewCredential(getenv func(string) string) (azcore.TokenCredential, error) {
	client := or(getenv(settingClientID), getenv(settingAnyClient))
	if getenv(settingEndpoint) == "" && getenv(settingCredential) != "managedidentity" {
		return azidentity.NewDefaultAzureCredential(nil)
	}
	options := &azidentity.ManagedIdentityCredentialOptions{}
	if client != "" {
		options.ID = azidentity.ClientID(client)
	}
	return azidentity.NewManagedIdentityCredential(options)
}
