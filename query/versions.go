package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Version is one entry of a resource's history.
type Version struct {
	Version    int64      `json:"version"`
	ObservedAt time.Time  `json:"observed_at"`
	Deleted    bool       `json:"deleted"`
	Cause      qrie.Cause `json:"cause"`
}

// VersionDetail is a version with its configuration.
type VersionDetail struct {
	Version
	Configuration json.RawMessage `json:"configuration" doc:"{} for the version that says it is deleted"`
}

// VersionList is one page of versions.
type VersionList struct {
	Versions  []Version `json:"versions"`
	NextToken string    `json:"next_token,omitempty"`
}

func versionOf(v store.Version) Version {
	return Version{Version: v.Version, ObservedAt: v.ObservedAt.UTC(), Deleted: v.Deleted, Cause: causeOf(v.Cause)}
}

func versionsOf(list []store.Version) []Version {
	versions := make([]Version, 0, len(list))
	for _, v := range list {
		versions = append(versions, versionOf(v))
	}
	return versions
}

func (s *Server) resourceHistory(ctx context.Context, in *timelineIn) (*body[VersionList], error) {
	if _, err := s.store.Resource(ctx, in.ID); err != nil {
		return nil, missing(err, "resource", in.ID)
	}
	page, err := s.store.ListVersions(ctx, in.ID, in.request())
	if err != nil {
		return nil, fmt.Errorf("list the versions of resource %s: %w", in.ID, err)
	}
	return &body[VersionList]{Body: VersionList{Versions: versionsOf(page.Items), NextToken: page.Next}}, nil
}

type versionIn struct {
	ID      string `path:"id" maxLength:"200"`
	Version int64  `path:"version" minimum:"1"`
}

func (s *Server) resourceVersion(ctx context.Context, in *versionIn) (*body[VersionDetail], error) {
	v, err := s.store.ResourceVersion(ctx, in.ID, in.Version)
	if err != nil {
		return nil, missing(err, "resource version", in.ID+"/"+strconv.FormatInt(in.Version, 10))
	}
	return &body[VersionDetail]{Body: VersionDetail{Version: versionOf(v), Configuration: document(v.Document)}}, nil
}
