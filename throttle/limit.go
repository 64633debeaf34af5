package throttle

// limit is the maximum of tries in a window, and the wait after it is reached. All times are in seconds.
type limit struct {
	tries  int   // in a window
	again  int   // in a window after a wait
	window int64 // its length
	first  int64 // the first wait; each further one is twice as long, up to longest
}

const (
	longest = 60 * 60      // the longest wait
	memory  = 24 * 60 * 60 // a wait within this time of the last one is longer
)

var (
	hasty    = limit{tries: 10, again: 1, window: 15 * 60, first: 60}
	patient  = limit{tries: 100, again: 1, window: memory, first: longest}
	spraying = limit{tries: 100, again: 10, window: 15 * 60, first: 60}
)

func (l *limit) allowance(level int) int {
	if level == 0 {
		return l.tries
	}
	return l.again
}

func (l *limit) wait(level int) int64 {
	wait := l.first
	for ; level > 1 && wait < longest; level-- {
		wait *= 2
	}
	return min(wait, longest)
}

// wait returns for how many more seconds tries are refused.
func (c *Counter) wait(now int64) int64 { return max(0, c.Until-now) }

// take counts a try. The caller has checked that there is no wait.
func (c *Counter) take(l *limit, now int64) {
	if now >= c.Ends {
		*c = Counter{}
	}
	if c.Tries == 0 || c.Until != 0 || now >= c.Since+l.window {
		c.Tries, c.Since, c.Until = 0, now, 0
	}
	c.Tries++
	c.Ends = max(c.Ends, c.Since+l.window)
	if c.Tries >= l.allowance(c.Level) {
		c.Level++
		c.Until = now + l.wait(c.Level)
		c.Ends = c.Until + memory
	}
}

// giveBack undoes take. If the window of that try has ended, it does nothing.
func (c *Counter) giveBack(try count) {
	switch {
	case *c == try.after:
		*c = try.before
	case c.Since != try.after.Since || c.Tries == 0:
	default:
		c.drop()
	}
}

// drop removes one of several tries from the window.
func (c *Counter) drop() {
	c.Tries--
	if c.Until != 0 {
		// Without this try the window wouldn't have reached the limit.
		c.Level--
		c.Until = 0
	}
	if c.Tries == 0 && c.Level == 0 {
		*c = Counter{}
	}
}
