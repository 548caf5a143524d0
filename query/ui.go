package query

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// assets is the built web application.
type assets struct {
	files fs.FS
	index []byte // nil: the application was not built
}

func newAssets(files fs.FS) (*assets, error) {
	if files == nil {
		return &assets{}, nil
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the index of the web UI: %w", err)
	}
	return &assets{files: files, index: index}, nil
}

// mediaTypes are those of the files that the build makes. The system's table
// differs from machine to machine, and nosniff makes browsers take it at its
// word.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".json": "application/json", ".map": "application/json", ".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
}

// assetFolder is where the build puts files that have a hash in their name.
const assetFolder = "assets/"

// serve answers a GET of any path that is not the API's: a file if there is
// one, the application otherwise, which has its own routes.
func (a *assets) serve(c *gin.Context) {
	name := strings.TrimPrefix(path.Clean("/"+c.Request.URL.Path), "/")
	mediaType, isFile := mediaTypes[path.Ext(name)]
	switch {
	case a.index == nil:
		send(c, http.StatusNotFound, mediaTypes[".html"], []byte(notBuilt))
	case name == "" || name == "index.html":
		a.file(c, "index.html", mediaTypes[".html"])
	case !isFile && !strings.HasPrefix(name, assetFolder):
		a.file(c, "index.html", mediaTypes[".html"])
	default:
		a.file(c, name, mediaType)
	}
}

// file sends a file, already compressed where the build left it so.
func (a *assets) file(c *gin.Context, name, mediaType string) {
	h := c.Writer.Header()
	h.Add("Vary", "Accept-Encoding")
	accepted := c.GetHeader("Accept-Encoding")
	for _, packed := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !acceptsEncoding(accepted, packed.encoding) {
			continue
		}
		if data, err := fs.ReadFile(a.files, name+packed.suffix); err == nil {
			h.Set("Content-Encoding", packed.encoding)
			cacheFor(h, name)
			send(c, http.StatusOK, mediaType, data)
			return
		}
	}
	data, err := fs.ReadFile(a.files, name)
	if err != nil {
		// Answering the application here would hand HTML to a script tag.
		fail(c, kindNotFound.problem("the web UI has no file %q", name))
		return
	}
	cacheFor(h, name)
	send(c, http.StatusOK, mediaType, data)
}

func cacheFor(h http.Header, name string) {
	if strings.HasPrefix(name, assetFolder) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
}

func send(c *gin.Context, status int, mediaType string, data []byte) {
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	c.Header("Content-Length", fmt.Sprint(len(data)))
	if c.Request.Method == http.MethodHead {
		c.Header("Content-Type", mediaType)
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(status, mediaType, data)
}

// notBuilt has no style: the content security policy admits files alone.
const notBuilt = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>qrie: the web UI was not built</title></head>
<body>
<h1>The web UI was not built</h1>
<p>This binary was compiled without it. With Node 20 or later installed, run <code>make build</code> in the source folder and start the new binary.</p>
<p>The API works: see <a href="/api/v1/openapi.json">/api/v1/openapi.json</a> and <a href="/api/v1/findings">/api/v1/findings</a>.</p>
</body>
</html>
`
