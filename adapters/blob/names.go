package blob

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/core"
)

var containerName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// checkContainer holds a name against Azure's rule for containers.
func checkContainer(name string) error {
	if len(name) < 3 || len(name) > 63 || !containerName.MatchString(name) {
		return core.Invalid("options.container", "%q is no container's name: 3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends", name)
	}
	return nil
}

// topicsPrefix stands before the name of a topic that has no prefix of its own; "log" is a topic's
// name like any other.
const topicsPrefix = "topics/"

// segmentNames are the names under a prefix that belong to the log there.
var segmentNames = []string{"log", "index", "log.json"}

// checkPrefix allows prefixes of which none lies among the blobs of another.
func checkPrefix(prefix string) error {
	if len(prefix) > 512 {
		return core.Invalid("options.prefix", "has %d bytes; the most is 512", len(prefix))
	}
	parts := strings.Split(prefix, "/")
	for i, part := range parts {
		switch {
		case strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Trim(part, ".") == "":
			return core.Invalid("options.prefix", "%q is not made of names of letters, digits, -, _ and . with single slashes between them", prefix)
		case strings.HasSuffix(part, "."):
			return core.Invalid("options.prefix", "%q has a name that ends with a dot, which Azure does not keep", prefix)
		case slices.Contains(segmentNames, part) && (i != 1 || parts[0]+"/" != topicsPrefix):
			return core.Invalid("options.prefix", "%q has the name %s in it, which stands for a part of a log", prefix, part)
		}
	}
	if prefix+"/" == topicsPrefix {
		return core.Invalid("options.prefix", "%q is what stands before the topics that have no prefix; add a name", prefix)
	}
	if parts[0]+"/" == documentsPrefix {
		return core.Invalid("options.prefix", "%q begins with documents, where an instance keeps its own", prefix)
	}
	return nil
}

// createContainer makes a container, unless it is there.
func createContainer(ctx context.Context, in *container.Client) error {
	err := again(ctx, func() error {
		ctx, cancel := writing(ctx, 0)
		defer cancel()
		_, err := in.Create(ctx, nil)
		if err = translate(err); errors.Is(err, core.ErrConflict) {
			return nil
		}
		return err
	})
	return err
}
