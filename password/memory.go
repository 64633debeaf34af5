package password

import (
	"runtime/debug"
	"time"
)

// memory is a worker's. What a current hash needs is used again and again, since as garbage it would pile up by the
// hundred megabytes; what a larger one needs is given back to the system at once.
type memory struct {
	blocks []block
	large  bool
}

// take returns n blocks, with whatever is left in them.
func (m *memory) take(n uint32) []block {
	if n > current.memory {
		m.large = true
		return make([]block, n)
	}
	if m.blocks == nil {
		m.blocks = make([]block, current.memory)
	}
	return m.blocks[:n]
}

func (m *memory) tidy() {
	if m.large {
		m.large = false
		debug.FreeOSMemory()
	}
}

func (p *pool) borrow() *memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent++
	n := len(p.spare)
	if n == 0 {
		return new(memory)
	}
	m := p.spare[n-1]
	p.spare = p.spare[:n-1]
	return m
}

// giveBack keeps the memory for the next worker, or until nobody has wanted any for a while.
func (p *pool) giveBack(m *memory) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = append(p.spare, m)
	lent := p.lent
	time.AfterFunc(linger, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.lent == lent {
			p.spare = nil
		}
	})
}
