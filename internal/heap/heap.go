// Package heap lets a small program collect its garbage seldom. Go lets a heap double before it collects, and one of 2 MB has
// doubled hundreds of times a second when there is much to do.
package heap

// Size is what Room adds, in bytes.
const Size = 4 << 20

// ballast is alive, and never touched: the operating system gives no memory for it.
var ballast []byte

// Room lets about Size more garbage pile up before each collection than GOGC alone would. The program's memory grows by as
// much. Call it once, at the start.
func Room() { ballast = make([]byte, Size) }
