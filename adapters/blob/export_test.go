package blob

import (
	"io"
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

// OperationOf is operationOf.
var OperationOf = operationOf

// Endpoint is the service URL.
func (a Account) Endpoint() string { return a.endpoint.String() }

// Raw is a blob of the files' container, and SetRaw replaces it.
func (f *Files) Raw(t *testing.T, name string) string {
	p := make([]byte, 10_000)
	n, err := (&Files{container: f.container}).ReadAt(t.Context(), name, p, 0)
	require.Equal(t, io.EOF, err)
	return string(p[:n])
}

func (f *Files) SetRaw(t *testing.T, name string, data []byte) {
	require.NoError(t, (&Files{container: f.container}).Put(t.Context(), name, data))
}
