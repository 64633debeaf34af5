import { createAuth } from '@cloakroom/client'
import { AuthProvider, RequireAuth, useAuth } from '@cloakroom/client/react'
import { useState } from 'react'
import { createRoot } from 'react-dom/client'

// The address of Cloakroom. Its host must be the page's, 127.0.0.1 and not localhost, since a cookie belongs to a host.
const auth = createAuth({ url: import.meta.env.VITE_API ?? 'http://127.0.0.1:8000' })

function SignIn() {
  const { login, reason } = useAuth()
  const [problem, setProblem] = useState('')

  async function submit(event) {
    event.preventDefault()
    const { username, password } = Object.fromEntries(new FormData(event.currentTarget))
    try {
      await login({ username, password })
    } catch (error) {
      setProblem(error.code === 'invalid_credentials' ? 'Wrong username or password.' : 'Try again in a moment.')
    }
  }

  return (
    <form onSubmit={submit}>
      {problem && <p role="alert">{problem}</p>}
      {reason !== 'not_authenticated' && <p>You are signed out ({reason}).</p>}
      <label>Username <input name="username" autoComplete="username" required /></label>{' '}
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>{' '}
      <button>Sign in</button>
    </form>
  )
}

function Home() {
  const { user, logout } = useAuth()
  return (
    <>
      <p>Signed in as {user.username}, a member since {new Date(user.date_joined).toLocaleDateString()}.</p>
      <button onClick={() => logout().catch(() => alert('You are not signed out yet. Try again.'))}>Sign out</button>
    </>
  )
}

function App() {
  const { status } = useAuth()
  return (
    <main>
      <h1>A page with sessions</h1>
      {status === 'unavailable' && <p role="status">The server is unavailable. Trying again…</p>}
      <RequireAuth signIn={<SignIn />} loading={<p>One moment…</p>} unavailable={null}>
        <Home />
      </RequireAuth>
    </main>
  )
}

createRoot(document.getElementById('root')).render(<AuthProvider auth={auth}><App /></AuthProvider>)
