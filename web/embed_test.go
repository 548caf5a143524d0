package web_test

import (
	"io/fs"
	"testing"

	"github.com/qrie-sec/qrie/web"
)

// The folder is rooted where index.html lies, whether or not a build was made.
func TestFilesAreRootedAtDist(t *testing.T) {
	if _, err := fs.Stat(web.Files(), ".gitkeep"); err != nil {
		t.Fatalf("the placeholder that keeps web/dist in a fresh checkout is gone: %v", err)
	}
}
