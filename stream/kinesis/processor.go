package kinesis

import (
	"time"

	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
)

// processors makes a processor for each goroutine of the library.
type processors struct{ c *consumer }

// CreateProcessor implements interfaces.IRecordProcessorFactory.
func (p processors) CreateProcessor() interfaces.IRecordProcessor { return &processor{c: p.c} }

// processor passes the library's calls for one shard on to the session.
type processor struct {
	c *consumer
	e *session
}

// Initialize begins the session.
func (p *processor) Initialize(in *interfaces.InitializationInput) {
	p.c.mu.Lock()
	e := p.c.held[in.ShardId]
	if e == nil || e.claiming || e.over || e.intake.Err() != nil {
		if e != nil && !e.claiming && !e.over && !e.begun {
			p.c.neverBegan(e)
		}
		p.c.mu.Unlock()
		return
	}
	e.begun = true
	p.c.mu.Unlock()
	p.e = e
	func() {
		defer e.caught()
		p.c.h.Begin(e.Session)
	}()
	go e.run()
}

// ProcessRecords hands a read over, and does not return before the next read
// is due.
func (p *processor) ProcessRecords(in *interfaces.ProcessRecordsInput) {
	if p.e == nil {
		return
	}
	if r, ok := p.c.guard.took(p.e.Shard()); ok {
		p.e.process(in.Records, r)
	}
	rest := time.NewTimer(readInterval - time.Since(*in.CacheEntryTime))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-p.e.intake.Done():
	}
}

// Shutdown ends the session of a closed shard whose last record was handed
// over. Any other end is the session's own.
func (p *processor) Shutdown(in *interfaces.ShutdownInput) {
	if p.e != nil && in.ShutdownReason == interfaces.TERMINATE && p.e.intake.Err() == nil {
		p.e.complete.Store(true)
		p.e.stopIntake()
	}
}
