package redisdb

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strings"
	"sync"
)

// script returns a script in Lua, and the hash by which the server knows it once it has seen it.
type script func() (text, hash string)

// newScript returns the script that consists of the parts.
func newScript(parts ...string) script {
	return sync.OnceValues(func() (text, hash string) {
		text = strings.Join(parts, "")
		sum := sha1.Sum([]byte(text))
		return text, hex.EncodeToString(sum[:])
	})
}

var (
	//go:embed lua/session.lua
	sessionLua string
	//go:embed lua/create.lua
	createLua string
	//go:embed lua/replace.lua
	replaceLua string
	//go:embed lua/touch.lua
	touchLua string
	//go:embed lua/delete.lua
	deleteLua string
	//go:embed lua/delete_user.lua
	deleteUserLua string
	//go:embed lua/delete_expired.lua
	deleteExpiredLua string
	//go:embed lua/count_live.lua
	countLiveLua string
	//go:embed lua/list.lua
	listLua string
	//go:embed lua/find_former.lua
	findFormerLua string

	//go:embed lua/purge_lease.lua
	purgeLeaseLua string

	//go:embed lua/throttle.lua
	throttleLua string
	//go:embed lua/cas_counters.lua
	casCountersLua string
	//go:embed lua/purge_counters.lua
	purgeCountersLua string

	//go:embed lua/publish.lua
	publishLua string
	//go:embed lua/try.lua
	tryLua string
)

var (
	createScript        = newScript(sessionLua, createLua)
	replaceScript       = newScript(sessionLua, replaceLua)
	touchScript         = newScript(sessionLua, touchLua)
	deleteScript        = newScript(sessionLua, deleteLua)
	deleteUserScript    = newScript(sessionLua, deleteUserLua)
	deleteExpiredScript = newScript(sessionLua, purgeLeaseLua, deleteExpiredLua)
	countLiveScript     = newScript(sessionLua, countLiveLua)
	listScript          = newScript(sessionLua, listLua)
	findFormerScript    = newScript(sessionLua, findFormerLua)

	casCountersScript   = newScript(throttleLua, casCountersLua)
	purgeCountersScript = newScript(throttleLua, purgeLeaseLua, purgeCountersLua)

	publishScript = newScript(publishLua)
	tryScript     = newScript(tryLua)
)
