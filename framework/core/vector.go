package core

// vector holds the instances of an application by number. Readers share its chunks: a chunk is copied before it changes
// if it may have been shown to them.
type vector struct {
	chunks []*chunk
	len    int // one more than the highest number in use
	count  int // of instances
}

const chunkSize = 256

type chunk struct {
	at    [chunkSize]*Instance
	epoch uint32
}

func (v *vector) get(i int) *Instance {
	if i < 0 || i >= v.len {
		return nil
	}
	if c := v.chunks[i/chunkSize]; c != nil {
		return c.at[i%chunkSize]
	}
	return nil
}

// set puts x, or nothing, at number i.
func (v *vector) set(i int, x *Instance, epoch uint32) {
	for i/chunkSize >= len(v.chunks) {
		v.chunks = append(v.chunks, nil)
	}
	c := v.chunks[i/chunkSize]
	if c == nil {
		c = &chunk{epoch: epoch}
		v.chunks[i/chunkSize] = c
	} else if c.epoch != epoch {
		copied := *c
		copied.epoch = epoch
		c = &copied
		v.chunks[i/chunkSize] = c
	}
	if c.at[i%chunkSize] == nil && x != nil {
		v.count++
	} else if c.at[i%chunkSize] != nil && x == nil {
		v.count--
	}
	c.at[i%chunkSize] = x
	if x != nil && i >= v.len {
		v.len = i + 1
	}
	for x == nil && v.len > 0 && v.get(v.len-1) == nil {
		v.len--
	}
}

// all calls f with every instance in order, until it returns false. f may set what it is called with.
func (v *vector) all(f func(*Instance) bool) { v.from(0, f) }

func (v *vector) from(start int, f func(*Instance) bool) {
	for i := start; i < v.len; i++ {
		if i%chunkSize == 0 && v.chunks[i/chunkSize] == nil {
			i += chunkSize - 1
			continue
		}
		if x := v.get(i); x != nil && !f(x) {
			return
		}
	}
}

// bits is a set of small numbers.
type bits struct {
	words []uint64
	n     int
}

func (b *bits) add(i int) {
	for i/64 >= len(b.words) {
		b.words = append(b.words, 0)
	}
	if w := &b.words[i/64]; *w&(1<<(i%64)) == 0 {
		*w |= 1 << (i % 64)
		b.n++
	}
}

func (b *bits) remove(i int) {
	if i/64 < len(b.words) && b.words[i/64]&(1<<(i%64)) != 0 {
		b.words[i/64] &^= 1 << (i % 64)
		b.n--
	}
}

// next returns the first member from i on, -1 if there is none.
func (b *bits) next(i int) int {
	for w := i / 64; w < len(b.words); w++ {
		word := b.words[w]
		if w == i/64 {
			word &^= 1<<(i%64) - 1
		}
		if word != 0 {
			return w*64 + trailingZeros(word)
		}
	}
	return -1
}
