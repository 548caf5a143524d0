package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/qrie-sec/qrie/ingest"
	"github.com/qrie-sec/qrie/stream"
)

// replayBatch is how many records are made durable at once.
const replayBatch = 500

func newReplay() *cobra.Command {
	var b backends
	var quiet bool
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Publish CloudTrail files into the running stream",
		Long: `Publish the events of CloudTrail files into the stream, where a running worker takes
them up at once.

A FILE is a CloudTrail log file ({"Records":[...]}, plain or gzip), an EventBridge
event, a single CloudTrail record, or lines of these. A folder stands for the
files in it; - is standard input. An event only marks a resource as perhaps
changed, so replaying a file twice does no harm.`,
		Example: "  qrie replay --data ~/.local/share/qrie/demo trail/*.json.gz",
		Args:    args(1, -1, "one or more files"),
		RunE: func(cmd *cobra.Command, files []string) error {
			return b.with(cmd.Context(), existingDataDir, parts{stream: true}, func(o *opened) error {
				return replay(cmd.Context(), o.stream, files, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), quiet)
			})
		},
	}
	b.flags(cmd.Flags(), defaultDataDir(true))
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	return cmd
}

// replay publishes every record of the files. A file that cannot be read to
// its end does not keep the others from being read.
func replay(ctx context.Context, log stream.Stream, names []string, in io.Reader, out, errOut io.Writer, quiet bool) error {
	files, total, err := expand(names)
	if err != nil {
		return err
	}
	p := newProgress(errOut, total, "records")
	if quiet {
		p.out = io.Discard
	}
	var published, read int64
	var failed []error
	var batch []stream.Record
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := log.Publish(ctx, batch); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		published += int64(len(batch))
		batch = batch[:0]
		return nil
	}
	for _, name := range files {
		err := readFile(name, in, func(r io.Reader) error {
			counter := &countingReader{r: r}
			err := ingest.SplitReader(counter, func(raw ingest.Raw) error {
				batch = append(batch, envelop(raw, time.Now()))
				p.update(read+counter.n, published+int64(len(batch)))
				if len(batch) < replayBatch {
					return nil
				}
				return flush()
			})
			read += counter.n
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	if err := flush(); err != nil {
		return err
	}
	p.clear()
	fmt.Fprintf(out, "published %d records of %d file(s)\n", published, len(files))
	return errors.Join(failed...)
}

// envelop makes a stream record of a raw one: as EventBridge would deliver it,
// keyed by account.
func envelop(raw ingest.Raw, now time.Time) stream.Record {
	data, account := raw.EventBridge(now)
	if account == "" {
		account = "unknown"
	}
	return stream.Record{Key: account, Data: data}
}

// expand replaces folders by the files in them and adds up the sizes.
func expand(names []string) (files []string, total int64, err error) {
	for _, name := range names {
		if name == "-" {
			files = append(files, name)
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, 0, err
		}
		if !info.IsDir() {
			files, total = append(files, name), total+info.Size()
			continue
		}
		err = filepath.WalkDir(name, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			files, total = append(files, path), total+info.Size()
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if slices.Contains(files, "-") {
		total = 0
	}
	return files, total, nil
}

func readFile(name string, in io.Reader, use func(io.Reader) error) error {
	if name == "-" {
		return use(in)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return use(f)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
