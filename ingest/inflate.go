package ingest

import (
	"compress/gzip"
	"fmt"
	"io"
)

const (
	// MaxInflated bounds what one compressed input may become. CloudTrail starts
	// a new log file long before, at about 50 MB.
	MaxInflated = 256 << 20

	// MaxRatio bounds how many times larger than its compressed form an input
	// may become, once it is larger than ratioFloor. CloudTrail's own files come
	// to between 10 and 30; gzip can reach 1,032 with one repeated byte.
	MaxRatio = 200

	ratioFloor = 8 << 20
)

// inflate reads gzip that becomes at most bound bytes, within MaxRatio.
func inflate(r io.Reader, bound int64) (io.Reader, error) {
	in := &counted{r: r}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("the input begins like gzip and is not (%w): fetch the file again", err)
	}
	return &inflater{z: z, in: in, bound: bound}, nil
}

type inflater struct {
	z     *gzip.Reader
	in    *counted
	out   int64
	bound int64
}

func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.z.Read(p)
	f.out += int64(n)
	switch {
	case f.out > f.bound:
		return 0, fmt.Errorf("the gzip input inflates to more than %d bytes: inflate and cut it first", f.bound)
	case f.out > ratioFloor && f.out > f.in.n*MaxRatio:
		return 0, fmt.Errorf("the gzip input inflates to more than %d times its size: no log file of CloudTrail does", MaxRatio)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("inflate gzip: %w: the file is damaged or truncated, fetch it again", err)
	}
	return n, err
}

// counted counts the bytes that go through.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
