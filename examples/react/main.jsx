import { createAuth } from '@cloakroom/client'
import { AuthProvider, RequireAuth, useAuth, useSignIn } from '@cloakroom/client/react'
import { createRoot } from 'react-dom/client'

// The address of Cloakroom. Its host must be the page's, 127.0.0.1 and not localhost, since a cookie belongs to a host.
const auth = createAuth({ url: import.meta.env.VITE_API ?? 'http://127.0.0.1:8000' })

const problems = { invalid_credentials: 'Wrong username or password.', invalid: 'Wrong code.' }

function SignIn() {
  const { reason } = useAuth()
  const { pending, login, second, cancel, error } = useSignIn()
  const send = (step) => (event) => {
    event.preventDefault()
    step(Object.fromEntries(new FormData(event.currentTarget)))
  }
  const problem = error && <p role="alert">{problems[error.code] ?? 'Try again in a moment.'}</p>
  if (pending) return (
    <form key="second" onSubmit={send(({ code }) => second(code))}>
      {problem}
      <label>Code of your app, or a recovery code <input name="code" autoComplete="one-time-code" autoFocus required /></label>{' '}
      <button>Continue</button> <button type="button" onClick={cancel}>Start over</button>
    </form>
  )
  return (
    <form key="first" onSubmit={send(login)}>
      {problem}
      {reason && reason !== 'not_authenticated' && <p>You are signed out ({reason}).</p>}
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
