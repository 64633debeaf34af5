package memory

import "container/heap"

// expiring is an item with an end. It stores its index in the heap.
type expiring interface {
	comparable
	end() int64
	heapIndex() *int
}

// expiries is a heap of items by their ends. Each operation takes the logarithm of its length.
type expiries[T expiring] struct{ line line[T] }

func (e *expiries[T]) add(item T)    { heap.Push(&e.line, item) }
func (e *expiries[T]) update(item T) { heap.Fix(&e.line, *item.heapIndex()) }
func (e *expiries[T]) remove(item T) { heap.Remove(&e.line, *item.heapIndex()) }

// removeEnded calls remove, which must remove its item here too, with at most limit of the items that end by now. It returns how many.
func (e *expiries[T]) removeEnded(now int64, limit int, remove func(T)) (n int) {
	for ; n < limit && len(e.line) > 0 && e.line[0].end() <= now; n++ {
		remove(e.line[0])
	}
	return n
}

// live returns how many items end after now. It looks only at those that don't.
func (e *expiries[T]) live(now int64) int { return len(e.line) - e.line.ended(0, now) }

// ended returns how many items of the heap below one of them, and it, end by now.
func (l line[T]) ended(at int, now int64) int {
	if at >= len(l) || l[at].end() > now {
		return 0
	}
	return 1 + l.ended(2*at+1, now) + l.ended(2*at+2, now)
}

// line implements heap.Interface.
type line[T expiring] []T

func (l line[T]) Len() int           { return len(l) }
func (l line[T]) Less(i, j int) bool { return l[i].end() < l[j].end() }

func (l line[T]) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	*l[i].heapIndex(), *l[j].heapIndex() = i, j
}

func (l *line[T]) Push(x any) {
	item := x.(T)
	*item.heapIndex() = len(*l)
	*l = append(*l, item)
}

func (l *line[T]) Pop() any {
	old := *l
	last := len(old) - 1
	item := old[last]
	var none T
	old[last] = none
	*l = old[:last]
	return item
}
