package blob

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// OpenFiles opens the files of a container, which it creates.
func OpenFiles(t *testing.T, client *Client, account Account, name string) *Files {
	in, err := client.container(account, name)
	require.NoError(t, err)
	require.NoError(t, createContainer(t.Context(), in))
	return &Files{container: in, prefix: "topics/orders/"}
}
