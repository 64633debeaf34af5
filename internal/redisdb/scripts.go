package redisdb

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
)

// script is a script in Lua, which the server knows by its hash once it has seen it.
type script struct{ text, sha1 string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text, hex.EncodeToString(sum[:])}
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
	createScript        = newScript(sessionLua + createLua)
	replaceScript       = newScript(sessionLua + replaceLua)
	touchScript         = newScript(sessionLua + touchLua)
	deleteScript        = newScript(sessionLua + deleteLua)
	deleteUserScript    = newScript(sessionLua + deleteUserLua)
	deleteExpiredScript = newScript(sessionLua + purgeLeaseLua + deleteExpiredLua)
	countLiveScript     = newScript(sessionLua + countLiveLua)
	listScript          = newScript(sessionLua + listLua)
	findFormerScript    = newScript(sessionLua + findFormerLua)

	casCountersScript   = newScript(throttleLua + casCountersLua)
	purgeCountersScript = newScript(throttleLua + purgeLeaseLua + purgeCountersLua)

	publishScript = newScript(publishLua)
	tryScript     = newScript(tryLua)
)
