package sqlite

import "context"

// gate lets so many read at once as there are connections to read with.
//
// Watching a context while a statement runs costs several times what it takes to read a row, and a read of one row is
// over before anybody could end it. So the wait for a connection, which may be long when the disk is slow, is here and
// heeds the context, and the read itself doesn't.
type gate struct {
	file   place
	places chan struct{}
	leave  func()
}

func newGate(file place, places int) gate {
	g := gate{file: file, places: make(chan struct{}, places)}
	g.leave = func() { <-g.places }
	return g
}

func (g gate) enter(ctx context.Context) (quick context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := g.file.look(); err != nil {
		return nil, nil, err
	}
	select {
	case g.places <- struct{}{}:
		return context.WithoutCancel(ctx), g.leave, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}
