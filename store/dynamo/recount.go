package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie/store"
)

// A recount goes through the accounts one after the other and keeps how far it
// came, so that a run is bounded and the next goes on after it. What it holds in
// memory is one account's counters and the totals. At the end of a round the
// totals are compared with what the accounts' counters add up to. The days are
// compared with the transitions in the log, each of which is counted once and
// never read again.
//
// Rows and counters cannot be read at one moment, but counters can be read as
// they were after a batch of the log. So a counter of an account is judged only
// if no batch changed it while its rows were counted; and a difference must show
// twice, because an index may lag behind its table. What kept changing is left
// to the next round, and is a metric.
//
// A correction is a batch of the log as well, appended together with the record
// of how far the recount came: it is made once, whoever counts beside.

// recountRows bounds what one run reads: about 2.5 million read units, which
// are $0.31. An account that was begun is finished.
const recountRows = 5_000_000

// saveEvery is after how many accounts a run keeps how far it came.
const saveEvery = 50

// recounting is one run.
type recounting struct {
	s        *Store
	state    recountState
	revision int64
	sums     map[cell]int64 // of the totals, for the accounts up to state.Done
	unsure   map[cell]bool  // totals of a counter that could not be judged
	rows     int            // read so far
	unjudged int
	drift    []store.Drift
	found    map[store.Dimension]int
}

// Recount compares counters with what they count and corrects them. The run
// ends with the round, or once it has read its share of rows.
func (s *Store) Recount(ctx context.Context) (drift []store.Drift, err error) {
	defer s.metrics.Request("qrie_counters", "recount")(&err)
	select {
	case s.recount <- struct{}{}:
		defer func() { <-s.recount }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r := &recounting{s: s, found: map[store.Dimension]int{store.ByFinding: 0, store.ByVerdict: 0, store.ByResource: 0, store.ByDay: 0}}
	err = r.run(ctx)
	if err != nil && !errors.Is(err, errCondition) { // which says that another process counts
		return r.drift, fmt.Errorf("recount: %w", err)
	}
	s.metrics.Drifted(r.found)
	s.metrics.unjudged.Set(float64(r.unjudged))
	slices.SortFunc(r.drift, func(a, b store.Drift) int { return cmp.Compare(a.Dimension, b.Dimension) })
	return r.drift, nil
}

func (r *recounting) run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.days(ctx); err != nil {
		return fmt.Errorf("days: %w", err)
	}
	for {
		// An account that the log names by now has its name among those read
		// after: it is written before anything that bears it.
		end, err := r.s.allTakenUp(ctx)
		if err != nil {
			return err
		}
		all, err := r.s.texts(ctx, accountName)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(all, func(account string) bool { return account <= r.state.Done })
		if len(left) == 0 {
			return r.totals(ctx, end.n)
		}
		full, err := r.accounts(ctx, left)
		if err != nil {
			return err
		}
		if full {
			return r.save(ctx)
		}
	}
}

// accounts counts some accounts, unless this run's share of rows is full.
func (r *recounting) accounts(ctx context.Context, all []string) (full bool, err error) {
	for n, account := range all {
		if r.rows >= r.s.recountRows {
			return true, nil
		}
		if n > 0 && n%saveEvery == 0 {
			if err := r.save(ctx); err != nil {
				return false, err
			}
		}
		if err := r.account(ctx, account); err != nil {
			return false, fmt.Errorf("account %s: %w", account, err)
		}
	}
	return false, nil
}

// account counts one account and corrects its counters.
func (r *recounting) account(ctx context.Context, account string) error {
	had, err := r.counters(ctx, account)
	if err != nil {
		return err
	}
	if err := r.advance(ctx, had.at); err != nil {
		return err
	}
	is, err := r.count(ctx, account, nil)
	if err != nil {
		return err
	}
	// As they stand: what is corrected comes after, in the log.
	for c, a := range had.cells {
		r.sums[c.total()] += a.n
	}
	r.state.Done = account
	wrong := differences(had.cells, is)
	if len(wrong) == 0 {
		return nil
	}
	again, err := r.counters(ctx, account)
	if err != nil {
		return err
	}
	if is, err = r.count(ctx, account, wrong); err != nil {
		return err
	}
	changed, err := r.changedSince(ctx, had.at)
	if err != nil {
		return err
	}
	twice := differences(again.cells, is)
	var sure []difference
	for c, d := range wrong {
		if twice[c] == d && !changed[c] {
			sure = append(sure, d)
			continue
		}
		r.unjudged++
		r.unsure[c.total()] = true
	}
	return r.correct(ctx, sure)
}

// counters reads those of an account, with all that its rows show by now.
func (r *recounting) counters(ctx context.Context, account string) (counted, error) {
	if _, err := r.s.allTakenUp(ctx); err != nil {
		return counted{}, err
	}
	return r.s.counted(ctx, slices.Concat(stretchesOf(policyCounters, account), stretchesOf(typeCounters, account))...)
}

// totals compares the totals with the sums of the accounts' counters, both
// after the same batch, and begins the next round. Every account that the log
// names up to the batch known was counted; what comes after is in the log.
func (r *recounting) totals(ctx context.Context, known int64) error {
	if err := r.advance(ctx, known); err != nil {
		return err
	}
	r.state.Done = highest("")
	had, err := r.s.counted(ctx, slices.Concat(stretchesOf(policyCounters, ""), stretchesOf(typeCounters, ""))...)
	if err != nil {
		return err
	}
	if err := r.advance(ctx, had.at); err != nil {
		return err
	}
	var sure []difference
	for c, d := range differences(had.cells, r.sums) {
		if r.unsure[c] {
			r.unjudged++
			continue
		}
		sure = append(sure, d)
	}
	r.state.Done = ""
	clear(r.sums)
	clear(r.unsure)
	if len(sure) == 0 {
		return r.save(ctx)
	}
	if err := r.correct(ctx, sure); err != nil {
		return fmt.Errorf("totals: %w", err)
	}
	return nil
}

// difference is a counter that is not what it should be.
type difference struct {
	cell
	had, is int64
}

func differences(had map[cell]amount, is map[cell]int64) map[cell]difference {
	out := map[cell]difference{}
	for c, n := range is {
		if had[c].n != n {
			out[c] = difference{c, had[c].n, n}
		}
	}
	for c, a := range had {
		if _, ok := is[c]; !ok && a.n != 0 {
			out[c] = difference{c, a.n, 0}
		}
	}
	return out
}

// changedSince are the cells that the log changed after a batch, up to now.
func (r *recounting) changedSince(ctx context.Context, batch int64) (map[cell]bool, error) {
	end, err := r.s.allTakenUp(ctx)
	if err != nil {
		return nil, err
	}
	out := map[cell]bool{}
	err = r.s.eachBatch(ctx, batch+1, end.n, 0, func(b logBatch) (bool, error) {
		for _, sh := range b.shares {
			sh.spread(func(c cell, _ amount) { out[c] = true })
		}
		return true, nil
	})
	return out, err
}

// advance brings the sums from one batch of the log to a later one.
func (r *recounting) advance(ctx context.Context, to int64) error {
	if r.state.Done != "" {
		err := r.s.eachBatch(ctx, r.state.At+1, to, 0, func(b logBatch) (bool, error) {
			for _, sh := range b.shares {
				if sh.Account == "" || sh.Account > r.state.Done {
					continue
				}
				sh.Alone = true // the totals are what is compared
				sh.spread(func(c cell, a amount) { r.sums[c.total()] += a.n })
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	r.state.At = to
	return nil
}

// correct appends corrections to the log and keeps how far the recount came,
// both or none.
func (r *recounting) correct(ctx context.Context, all []difference) error {
	if len(all) == 0 {
		return nil
	}
	var sum sums
	for _, d := range all {
		sum.add(d.share())
	}
	for n := 1; ; n++ {
		end, err := r.s.catchUp(ctx)
		if err != nil {
			return err
		}
		batch, err := r.s.logRow(logBatch{n: end.n + 1, last: end.last, shares: sum.shares()})
		if err != nil {
			return err
		}
		tx := &transaction{c: r.s.client}
		tx.put(transitionsTable, batch, isFree, nil)
		if err := r.keep(func(row item, condition string, values item) error {
			tx.put(metaTable, row, condition, values)
			return tx.commit(ctx)
		}); err == nil {
			break
		} else if !errors.Is(err, errCondition) || n >= r.s.attempts {
			return err
		}
		// A batch of that number came first, or another recount did.
		if it, err := r.s.get(ctx, metaTable, metaPart, recountItem); err != nil || it.num("Revision") != r.revision {
			return cmp.Or(err, errCondition)
		}
	}
	for _, d := range all {
		c := d.counter()
		r.found[c.Dimension]++
		r.drift = append(r.drift, store.Drift{Dimension: c.String(), Had: d.had, Is: d.is})
	}
	return nil
}

// share is the correction of a counter: of an account alone, or of the totals.
func (d difference) share() share {
	c := d.counter()
	o := owner{Account: c.Account, Alone: c.Account != ""}
	if c.Dimension == store.ByVerdict || c.Dimension == store.ByResource {
		o.Type = d.name()
	}
	return share{owner: o, Deltas: []delta{{Dimension: c.Dimension, Name: c.Name, Part: c.Part, N: d.is - d.had}}}
}

// recountState is what is kept between runs.
type recountState struct {
	// Done is the last account that was counted in this round.
	Done string `json:"done,omitempty"`
	// Sums are what the counters of the accounts up to Done add up to, as they
	// were after the batch At of the log.
	At     int64       `json:"at,omitempty"`
	Sums   []cellCount `json:"sums,omitempty"`
	Unsure []cellCount `json:"unsure,omitempty"`
	Days   dayCount    `json:"days"`
}

// cellCount is a cell of the totals.
type cellCount struct {
	Row       string `json:"r"`
	Attribute string `json:"a"`
	N         int64  `json:"n,omitempty"`
}

func (c cellCount) cell() cell { return cell{key{totalShelf, c.Row}, c.Attribute} }

// load reads how far the last run came. A round whose part of the log is
// trimmed begins anew.
func (r *recounting) load(ctx context.Context) error {
	r.sums, r.unsure = map[cell]int64{}, map[cell]bool{}
	it, err := r.s.get(ctx, metaTable, metaPart, recountItem)
	if it == nil || err != nil {
		return err
	}
	r.revision = it.num("Revision")
	if err := r.s.pack.decode("the state of the recount", it.bytes("Body"), &r.state); err != nil {
		return err
	}
	trimmed, err := r.s.trimmedTo(ctx, "Log")
	if err != nil {
		return err
	}
	if trimmed > r.state.At {
		r.state.Done, r.state.Sums, r.state.Unsure = "", nil, nil
	}
	for _, c := range r.state.Sums {
		r.sums[c.cell()] = c.N
	}
	for _, c := range r.state.Unsure {
		r.unsure[c.cell()] = true
	}
	return nil
}

// keep hands the row of the state to a write, which fails if another recount
// was quicker.
func (r *recounting) keep(write func(row item, condition string, values item) error) error {
	r.state.Sums, r.state.Unsure = nil, nil
	for c, n := range r.sums {
		if n != 0 {
			r.state.Sums = append(r.state.Sums, cellCount{c.row.sk, c.attribute, n})
		}
	}
	for c := range r.unsure {
		r.state.Unsure = append(r.state.Unsure, cellCount{Row: c.row.sk, Attribute: c.attribute})
	}
	row := r.s.row(metaTable, metaPart, recountItem)
	row["Revision"] = number(r.revision + 1)
	var err error
	if row["Body"], err = r.s.pack.encode("the state of the recount", r.state); err != nil {
		return err
	}
	condition, values := "attribute_not_exists(#Revision)", item(nil)
	if r.revision > 0 {
		condition, values = "#Revision = :r", item{":r": number(r.revision)}
	}
	if err := write(row, condition, values); err != nil {
		return err
	}
	r.revision++
	return nil
}

func (r *recounting) save(ctx context.Context) error {
	return r.keep(func(row item, condition string, values item) error {
		return r.s.put(ctx, metaTable, row, condition, values)
	})
}
