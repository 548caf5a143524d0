package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestConfigHidesPasswords(t *testing.T) {
	cmd := &cobra.Command{}
	var b backends
	b.flags(cmd.Flags(), "/var/lib/qrie")
	var w webhook
	w.flags(cmd.Flags())
	if err := cmd.ParseFlags([]string{"--endpoint", "https://me:hunter2@kinesis.example", "--stream-name", "a:b@c", "--webhook-url", "https://chat.example/services/hunter2?token=hunter2"}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(configLines(cmd, func(string) (string, bool) { return "", false }), "\n")
	for _, want := range []string{"https://me:xxxxx@kinesis.example", "a:b@c", "/var/lib/qrie", "https://chat.example/…"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the password is shown:\n%s", text)
	}
}
