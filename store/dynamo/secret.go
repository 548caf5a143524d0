package dynamo

// Secret is the key that signs page tokens: the one of the options, or that
// which all processes on these tables share.
func (s *Store) Secret() []byte { return s.secret }
