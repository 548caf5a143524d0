package scanners

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	throttled := &reply{name: "iam GetUser", status: 400, header: http.Header{"Date": {testTime.Add(90 * time.Second).Format(http.TimeFormat)}},
		body: []byte(`<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`)}
	p := &replay{t: t, replies: []*reply{throttled, goneUser()}}
	s := newTestScanner(doFunc(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "ec2.") {
			return nil, errors.New("connection refused")
		}
		return p.Do(r)
	}), func(o *Options) { o.Registerer = registry })
	if _, err := s.Describe(context.Background(), anaRef); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(context.Background(), testAccount, "eu-west-1", "AWS::EC2::Volume", ""); err == nil {
		t.Fatal("a list without an answer gave no error")
	}
	want := []string{
		"qrie_aws_request_duration_seconds{ec2} count 2",
		"qrie_aws_request_duration_seconds{iam} count 2",
		"qrie_aws_request_duration_seconds{sts} count 1",
		"qrie_aws_requests_total{NoAnswer DescribeVolumes ec2} 2",
		"qrie_aws_requests_total{NoSuchEntity GetUser iam} 1",
		"qrie_aws_requests_total{Throttling GetUser iam} 1",
		"qrie_aws_requests_total{ok AssumeRole sts} 1",
		"qrie_aws_throttles_total{iam} 1",
		"qrie_clock_skew_seconds{} 89.911",
	}
	if diff := cmp.Diff(want, gather(t, registry)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// gather words every metric as name{label values} value.
func gather(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			value := fmt.Sprint(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			if h := m.GetHistogram(); h != nil {
				value = fmt.Sprintf("count %d", h.GetSampleCount())
			}
			all = append(all, fmt.Sprintf("%s{%s} %s", family.GetName(), strings.Join(labels, " "), value))
		}
	}
	slices.Sort(all)
	return all
}
