package query

import (
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

// apiVersion is the version of the API, which is not that of the build.
const apiVersion = "1.0.0"

// tidyDocument removes what the framework says and the server never does:
// arrays that are null, and errors in the framework's own shape.
func tidyDocument(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for _, schema := range schemas {
		arraysAreNeverNull(schema)
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op == nil {
				continue
			}
			for _, p := range op.Parameters {
				arraysAreNeverNull(p.Schema)
			}
			for _, r := range op.Responses {
				for _, media := range r.Content {
					arraysAreNeverNull(media.Schema)
				}
			}
		}
	}
}

func arraysAreNeverNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	arraysAreNeverNull(s.Items)
	for _, p := range s.Properties {
		arraysAreNeverNull(p)
	}
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		arraysAreNeverNull(values)
	}
}

// OpenAPI returns the document of the API as indented JSON.
func (s *Server) OpenAPI() ([]byte, error) {
	doc, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return append(doc, '\n'), nil
}

func (s *Server) openAPIJSON(c *gin.Context) {
	doc, err := s.OpenAPI()
	if err != nil {
		fail(c, problemOf(err))
		return
	}
	c.Data(200, "application/vnd.oai.openapi+json", doc)
}

func (s *Server) openAPIYAML(c *gin.Context) {
	doc, err := s.api.OpenAPI().YAML()
	if err != nil {
		fail(c, problemOf(fmt.Errorf("encode the OpenAPI document: %w", err)))
		return
	}
	c.Data(200, "application/vnd.oai.openapi", doc)
}
