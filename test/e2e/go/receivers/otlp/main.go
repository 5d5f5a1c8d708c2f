// The OpenTelemetry collector's own OTLP receiver, behind it a consumer that prints what arrives.
// Usage: otlp <certificate> <key> <how many batches to refuse first>
// It prints {"port": ...}, then each log record as a line of JSON. It ends with its standard input.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

type record struct {
	Resource    map[string]any `json:"resource"`
	Scope       string         `json:"scope"`
	Nanoseconds string         `json:"nanoseconds"`
	Severity    string         `json:"severity"`
	Number      int32          `json:"number"`
	Event       string         `json:"event"`
	Body        string         `json:"body"`
	Attributes  map[string]any `json:"attributes"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func freePort() int {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func main() {
	refuse := must(strconv.Atoi(os.Args[3]))
	printed := func(_ context.Context, logs plog.Logs) error {
		if refuse > 0 {
			refuse--
			return errors.New("a processor behind the receiver refuses")
		}
		// As it would leave the collector: through its binary form.
		wire := must((&plog.ProtoMarshaler{}).MarshalLogs(logs))
		again := must((&plog.ProtoUnmarshaler{}).UnmarshalLogs(wire))
		for _, ofResource := range again.ResourceLogs().All() {
			for _, ofScope := range ofResource.ScopeLogs().All() {
				for _, each := range ofScope.LogRecords().All() {
					fmt.Println(string(must(json.Marshal(record{
						Resource:    ofResource.Resource().Attributes().AsRaw(),
						Scope:       ofScope.Scope().Name(),
						Nanoseconds: strconv.FormatUint(uint64(each.Timestamp()), 10),
						Severity:    each.SeverityText(),
						Number:      int32(each.SeverityNumber()),
						Event:       each.EventName(),
						Body:        each.Body().Str(),
						Attributes:  each.Attributes().AsRaw(),
					}))))
				}
			}
		}
		return nil
	}
	factory := otlpreceiver.NewFactory()
	port := freePort()
	config := factory.CreateDefaultConfig()
	settings := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{"http": map[string]any{
		"endpoint": fmt.Sprintf("127.0.0.1:%d", port),
		"tls":      map[string]any{"cert_file": os.Args[1], "key_file": os.Args[2]},
	}}})
	if err := settings.Unmarshal(config); err != nil {
		log.Fatal(err)
	}
	receiver := must(factory.CreateLogs(context.Background(), receivertest.NewNopSettings(component.MustNewType("otlp")), config, must(consumer.NewLogs(printed))))
	if err := receiver.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"port\":%d}\n", port)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
