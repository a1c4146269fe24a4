package blob

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Counter counts the storage operations that are sent, repeated ones too: they are the bill.
// It is a policy for [Client.Policies]. Its zero value is ready.
type Counter struct {
	mu    sync.Mutex
	calls map[string]int64 // guarded by mu
	bytes atomic.Int64
}

var _ policy.Policy = (*Counter)(nil)

// Do counts a request and sends it on.
func (c *Counter) Do(req *policy.Request) (*http.Response, error) {
	operation := operationOf(req.Raw())
	c.mu.Lock()
	if c.calls == nil {
		c.calls = map[string]int64{}
	}
	c.calls[operation]++
	c.mu.Unlock()
	answer, err := req.Next()
	if answer != nil && answer.ContentLength > 0 {
		c.bytes.Add(answer.ContentLength)
	}
	return answer, err
}

// Calls is how often each operation was sent, by name as in "AppendBlock".
func (c *Counter) Calls() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Total is how many operations were sent in all.
func (c *Counter) Total() (total int64) {
	for _, n := range c.Calls() {
		total += n
	}
	return total
}

// Bytes is how many bytes of bodies the answers had.
func (c *Counter) Bytes() int64 { return c.bytes.Load() }

// operationOf names a request as Azure's price list and documentation do.
func operationOf(r *http.Request) string {
	query := r.URL.Query()
	switch comp, container := query.Get("comp"), query.Get("restype") == "container"; {
	case comp == "appendblock":
		return "AppendBlock"
	case comp == "list":
		return "ListBlobs"
	case container && r.Method == http.MethodPut:
		return "CreateContainer"
	case r.Method == http.MethodPut:
		return "PutBlob"
	case r.Method == http.MethodGet:
		return "GetBlob"
	case r.Method == http.MethodDelete:
		return "DeleteBlob"
	}
	return r.Method
}
