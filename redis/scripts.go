package redis

import (
	_ "embed"

	"github.com/redis/rueidis"
)

// The scripts. None may be sent twice, so none is marked as one that may be.
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
	//go:embed lua/list.lua
	listLua string
	//go:embed lua/was.lua
	wasLua string

	//go:embed lua/alone.lua
	aloneLua string

	//go:embed lua/throttle.lua
	throttleLua string
	//go:embed lua/swap.lua
	swapLua string
	//go:embed lua/forget.lua
	forgetLua string
)

var (
	createScript        = rueidis.NewLuaScript(sessionLua + createLua)
	replaceScript       = rueidis.NewLuaScript(sessionLua + replaceLua)
	touchScript         = rueidis.NewLuaScript(sessionLua + touchLua)
	deleteScript        = rueidis.NewLuaScript(sessionLua + deleteLua)
	deleteUserScript    = rueidis.NewLuaScript(sessionLua + deleteUserLua)
	deleteExpiredScript = rueidis.NewLuaScript(sessionLua + aloneLua + deleteExpiredLua)
	listScript          = rueidis.NewLuaScript(sessionLua + listLua)
	wasScript           = rueidis.NewLuaScript(sessionLua + wasLua)

	swapScript   = rueidis.NewLuaScript(throttleLua + swapLua)
	forgetScript = rueidis.NewLuaScript(throttleLua + aloneLua + forgetLua)
)
