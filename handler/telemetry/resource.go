package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// resource says what sends: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before what is known otherwise.
func (c *Config) resource(ctx context.Context) *resource.Resource {
	attributes := []attribute.KeyValue{attribute.String("service.name", "eventstore"), attribute.String("service.version", c.Version)}
	for name, value := range c.Attributes {
		attributes = append(attributes, attribute.String(name, value))
	}
	found, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...), resource.WithFromEnv())
	if err != nil { // OTEL_RESOURCE_ATTRIBUTES can't be read as a whole; what could be is there
		c.Log.WarnContext(ctx, "OTEL_RESOURCE_ATTRIBUTES is not right: it is name=value pairs, comma-separated", "error", err)
	}
	return found
}
