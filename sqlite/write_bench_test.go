package sqlite_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/qrie-sec/qrie/sqlite"
)

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := open(b)
			data := make([]byte, 500)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						if err := db.Write(b.Context(), func(tx *sqlite.Tx) error {
							_, err := tx.Exec("INSERT INTO items (data) VALUES (?)", data)
							return err
						}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			commits, writes := db.Commits()
			b.ReportMetric(float64(writes)/float64(commits), "writes/commit")
		})
	}
}
