import { useAuth } from '@cloakroom/client/react'
import { useEffect, useState } from 'react'

export function Passkeys() {
  const { client, addPasskey, removePasskey } = useAuth()
  const [{ passkeys, codes, problem }, show] = useState({ passkeys: [] })
  const act = (step) => async () => {
    try {
      const codes = (await step?.())?.recovery_codes
      const { factors } = await client.call('GET', '/api/auth/factors')
      show({ codes, passkeys: factors.filter(({ kind }) => kind === 'passkey') })
    } catch ({ message }) {
      show((before) => ({ ...before, problem: message }))
    }
  }
  useEffect(() => void act()(), [])
  return (
    <section>
      <h2>Passkeys</h2>
      {problem && <p role="alert">{problem}</p>}
      <ul>{passkeys.map(({ id, name }) => <li key={id}>{name} <button onClick={act(() => removePasskey(id))}>Remove</button></li>)}</ul>
      <button onClick={act(() => addPasskey())}>Add a passkey</button>
      {codes && <p>Keep these recovery codes: {codes.join(', ')}</p>}
    </section>
  )
}
