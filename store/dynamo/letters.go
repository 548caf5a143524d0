package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// A dead letter is a row, and its data are rows beside it: DynamoDB bounds a
// row at 400 KB.
const (
	letterItem   = "letter"
	lettersShelf = "letters"
	letterChunk  = 350 << 10
)

func letterPart(nonce string, n int) string { return fmt.Sprintf("data#%s#%d", nonce, n) }

// PutDeadLetter keeps a record that could not be handled: its data first, then
// the row that makes it visible.
func (s *Store) PutDeadLetter(ctx context.Context, d store.DeadLetter) (err error) {
	defer s.metrics.Request("qrie_dead_letters", "put")(&err)
	if err := store.ValidName("dead letter", d.ID); err != nil {
		return err
	}
	old, err := s.get(ctx, lettersTable, d.ID, letterItem)
	if old != nil || err != nil {
		return err
	}
	nonce := make([]byte, 6)
	if _, err := rand.Read(nonce); err != nil {
		return fmt.Errorf("keep dead letter %s: %w", d.ID, err)
	}
	row := s.row(lettersTable, d.ID, letterItem)
	if row["Body"], err = s.pack.encode("dead letter "+d.ID, d); err != nil {
		return err
	}
	chunks := 0
	for chunk := range slices.Chunk(s.pack.compress(d.Data[:min(len(d.Data), store.MaxDeadLetterBytes)]), letterChunk) {
		part := s.row(lettersTable, d.ID, letterPart(hex.EncodeToString(nonce), chunks))
		part["Data"] = binary(chunk)
		if err := s.put(ctx, lettersTable, part, "", nil); err != nil {
			return fmt.Errorf("keep dead letter %s: %w", d.ID, err)
		}
		chunks++
	}
	row["Chunks"], row["Nonce"] = number(int64(chunks)), text(hex.EncodeToString(nonce))
	row["Shelf"], row["Newest"] = text(lettersShelf), text(digits(nanos(d.At))+"#"+d.ID)
	err = s.put(ctx, lettersTable, row, "attribute_not_exists(#LetterId)", nil)
	if errors.Is(err, errCondition) {
		return nil // another was quicker; its data count
	}
	return err
}

// DeadLetter reads one with its data.
func (s *Store) DeadLetter(ctx context.Context, id string) (d store.DeadLetter, err error) {
	defer s.metrics.Request("qrie_dead_letters", "get")(&err)
	missing := fmt.Errorf("dead letter %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return d, missing
	}
	it, err := s.get(ctx, lettersTable, id, letterItem)
	if err != nil {
		return d, fmt.Errorf("read dead letter %s: %w", id, err)
	}
	if it == nil {
		return d, missing
	}
	if err := s.pack.decode("dead letter "+id, it.bytes("Body"), &d); err != nil {
		return d, err
	}
	var packed []byte
	for n := range it.num("Chunks") {
		part, err := s.get(ctx, lettersTable, id, letterPart(it.str("Nonce"), int(n)))
		if err != nil {
			return d, fmt.Errorf("read dead letter %s: %w", id, err)
		}
		packed = append(packed, part.bytes("Data")...)
	}
	d.Data, err = s.pack.expand("dead letter "+id, packed)
	return d, err
}

// ListDeadLetters lists them without data, newest first.
func (s *Store) ListDeadLetters(ctx context.Context, p store.PageRequest) (page store.Page[store.DeadLetter], err error) {
	defer s.metrics.Request("qrie_dead_letters", "list")(&err)
	before := ""
	if p.Token != "" {
		if err := s.signer.Open("dead_letters", p.Bound(""), p.Token, &before); err != nil {
			return page, err
		}
	}
	size := p.PageSize()
	rows, _, _, err := s.read(ctx, stretch{table: lettersTable, index: &lettersNewest, pk: lettersShelf, low: "0", high: before, backwards: true, limit: size + 2})
	if err != nil {
		return page, fmt.Errorf("list dead letters: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(it item) bool { return it.str("Newest") == before })
	more := len(rows) > size
	rows = rows[:min(len(rows), size)]
	keys := make([]key, len(rows))
	for i, it := range rows {
		keys[i] = keyOf(lettersTable, it)
	}
	whole, err := s.many(ctx, lettersTable, keys, "")
	if err != nil {
		return page, fmt.Errorf("list dead letters: %w", err)
	}
	for _, k := range keys {
		if whole[k] == nil {
			continue // deleted meanwhile
		}
		var d store.DeadLetter
		if err := s.pack.decode("a dead letter", whole[k].bytes("Body"), &d); err != nil {
			return page, err
		}
		page.Items = append(page.Items, d)
	}
	if more {
		page.Next, err = s.signer.Seal("dead_letters", p.Bound(""), rows[size-1].str("Newest"))
	}
	return page, err
}

// DeleteDeadLetter removes one; one that is not there is ErrNotFound.
func (s *Store) DeleteDeadLetter(ctx context.Context, id string) (err error) {
	defer s.metrics.Request("qrie_dead_letters", "delete")(&err)
	missing := fmt.Errorf("dead letter %s: %w", id, qrie.ErrNotFound)
	if !keyable(id) {
		return missing
	}
	err = s.remove(ctx, lettersTable, id, letterItem, "attribute_exists(#LetterId)", nil)
	if errors.Is(err, errCondition) {
		return missing
	}
	if err != nil {
		return err
	}
	return s.clear(ctx, lettersTable, id)
}

// clear deletes every row of a partition.
func (s *Store) clear(ctx context.Context, t tableID, pk string) error {
	var keys []key
	err := s.all(ctx, stretch{table: t, pk: pk, only: "#" + tables[t].pk + ", #" + tables[t].sk}, func(it item) error {
		keys = append(keys, keyOf(t, it))
		return nil
	})
	if err != nil {
		return err
	}
	return s.writeAll(ctx, t, nil, keys)
}

// CountDeadLetters counts in the index: few are kept, and not for long.
func (s *Store) CountDeadLetters(ctx context.Context) (n int64, err error) {
	defer s.metrics.Request("qrie_dead_letters", "count")(&err)
	err = s.all(ctx, stretch{table: lettersTable, index: &lettersNewest, pk: lettersShelf, only: "#Shelf"}, func(item) error {
		n++
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return n, nil
}
