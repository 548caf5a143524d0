package query

import (
	"context"
	"slices"
	"strings"

	"github.com/qrie-sec/qrie/resources"
)

// Service is one AWS service of which qrie knows resource types.
type Service struct {
	ServiceName   string         `json:"service_name" example:"s3"`
	DisplayName   string         `json:"display_name" example:"S3"`
	ResourceTypes []ResourceType `json:"resource_types"`
}

// ResourceType names one resource type.
type ResourceType struct {
	Name  string `json:"name" example:"AWS::S3::Bucket"`
	Title string `json:"title" example:"S3 bucket"`
}

type servicesIn struct {
	Supported string `query:"supported" enum:"true,false" doc:"qrie lists the services it supports, so false gives none"`
}

func (s *Server) listServices(_ context.Context, in *servicesIn) (*body[[]Service], error) {
	list := []Service{}
	if in.Supported == "false" {
		return &body[[]Service]{Body: list}, nil
	}
	for _, name := range serviceNames() {
		service := Service{ServiceName: name, DisplayName: displayName(name)}
		for _, t := range resources.All() {
			if t.Service() == name {
				service.ResourceTypes = append(service.ResourceTypes, ResourceType{Name: t.Name, Title: t.Title})
			}
		}
		list = append(list, service)
	}
	return &body[[]Service]{Body: list}, nil
}

// serviceNames lists the services of all resource types by name.
func serviceNames() []string {
	var names []string
	for _, t := range resources.All() {
		if name := t.Service(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// displayName writes initials in capitals, as AWS does, and words as words.
func displayName(service string) string {
	if len(service) <= 3 {
		return strings.ToUpper(service)
	}
	return strings.ToUpper(service[:1]) + service[1:]
}
