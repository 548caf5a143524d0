package resources

import (
	"slices"
	"strings"
	"testing"
)

// A reference leads from a member that the document has to a type that there is.
func TestReferences(t *testing.T) {
	for _, typ := range All() {
		for _, r := range typ.References {
			member, _, _ := strings.Cut(r.Path, ".")
			if !slices.Contains(typ.Members, member) {
				t.Errorf("%s refers by %s, and its documents have the members %v", typ.Name, r.Path, typ.Members)
			}
			if _, ok := Find(r.Type); !ok {
				t.Errorf("%s refers to %s, which there is not", typ.Name, r.Type)
			}
		}
	}
}

func TestRelated(t *testing.T) {
	instance, _ := Find("AWS::EC2::Instance")
	volume, _ := Find("AWS::EC2::Volume")
	ref := instance.Ref("111122223333", "eu-west-1", "i-1")
	for document, want := range map[string][]string{
		`{"Instance":{},"Volumes":[{"VolumeId":"vol-1"},{"VolumeId":"vol-2"},{"VolumeId":"vol-1"},{"VolumeId":""},{"VolumeId":7},{}]}`: {"vol-1", "vol-2"},
		`{"Instance":{},"Volumes":[]}`: nil,
		`{"Instance":{}}`:              nil,
		``:                             nil,
	} {
		var got []string
		for _, r := range instance.Related(ref, []byte(document)) {
			if r.Key() != volume.Ref("111122223333", "eu-west-1", r.ID).Key() {
				t.Errorf("%s leads to %+v", document, r)
			}
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s leads to %v, want %v", document, got, want)
		}
	}
}
