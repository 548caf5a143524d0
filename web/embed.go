// Package web holds the dashboard: a React application built into dist and
// embedded here, so that the binary needs no file beside it.
package web

import (
	"embed"
	"io/fs"
)

// dist is what `npm run build` made, each text asset also as .gz and .br. In a
// checkout where it was never run, dist holds only .gitkeep.
//
//go:embed all:dist
var dist embed.FS

// Files returns the built application with index.html at its root. It is safe
// for concurrent use. Without a build there is no index.html in it; the server
// then has only the API to offer and should say so.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: the embedded folder is named dist: " + err.Error())
	}
	return files
}
