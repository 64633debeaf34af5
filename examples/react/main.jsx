import { createAuth } from '@cloakroom/client'
import { AuthProvider, RequireAuth, useAuth, useSignIn } from '@cloakroom/client/react'
import { createRoot } from 'react-dom/client'
import { Passkeys } from './Passkeys.jsx'

// The address of Cloakroom. Its host must be the page's, and a name, since browsers refuse passkeys at an IP address.
const auth = createAuth({ url: import.meta.env.VITE_API ?? 'http://localhost:8000' })
// What needs a fresh sign-in asks for a passkey.
auth.onFreshSignIn(async ({ factors }) => factors.includes('passkey') && !!(await auth.reauthenticateByPasskey()))

const problems = { invalid_credentials: 'Wrong username or password.', invalid: 'Wrong code.' }

function SignIn() {
  const { reason } = useAuth()
  const { pending, recoveryCodes, app, error, ...steps } = useSignIn({ autofill: true })
  const send = (step) => (event) => {
    event.preventDefault()
    step(Object.fromEntries(new FormData(event.currentTarget)))
  }
  const problem = error && <p role="alert">{problems[error.code] ?? 'Try again in a moment.'}</p>
  if (recoveryCodes) return (
    <>
      <p>Keep these recovery codes. Each signs you in once, if you lose your device.</p>
      <ul>{recoveryCodes.map((code) => <li key={code}>{code}</li>)}</ul>
      <button onClick={steps.codesKept}>I have kept them</button>
    </>
  )
  const startOver = <button type="button" onClick={steps.cancel}>Start over</button>
  if (pending?.kind === 'enrol_code') return (
    <form key="code" onSubmit={send(({ code }) => steps.enterCode(code))}>
      {problem}
      <p>This server asks you for a second factor. Before you set one up, enter a code that is mailed to you.</p>
      <button type="button" onClick={() => steps.sendCode()}>Mail me a code</button>{' '}
      <label>Code from the mail <input name="code" autoComplete="one-time-code" required /></label> <button>Continue</button> {startOver}
    </form>
  )
  if (pending?.kind === 'enrol') return (
    <form key="enrol" onSubmit={send(({ code }) => steps.confirmApp(code))}>
      {problem}
      <p>Set up a second factor, which this server asks you for.</p>
      {pending.factors.includes('passkey') && <button type="button" onClick={() => steps.enrolPasskey()}>Set up a passkey</button>}{' '}
      {!app && <button type="button" onClick={steps.enrolApp}>Set up an authenticator app</button>}
      {app && <p>Type this key into your app: <code>{app.secret}</code></p>}
      {app && <label>Code of your app <input name="code" autoComplete="one-time-code" required /></label>}{' '}
      {app && <button>Continue</button>} {startOver}
    </form>
  )
  if (pending) return (
    <form key="second" onSubmit={send(({ code }) => steps.second(code))}>
      {problem}
      <label>Code of your app, or a recovery code <input name="code" autoComplete="one-time-code" autoFocus required /></label>{' '}
      <button>Continue</button> {pending.passkey && <button type="button" onClick={() => steps.passkey()}>Use a passkey</button>} {startOver}
    </form>
  )
  return (
    <form key="first" onSubmit={send(steps.login)}>
      {problem}
      {reason && reason !== 'not_authenticated' && <p>You are signed out ({reason}).</p>}
      <label>Username <input name="username" autoComplete="username webauthn" required /></label>{' '}
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>{' '}
      <button>Sign in</button> <button type="button" onClick={() => steps.passkey()}>Use a passkey</button>
    </form>
  )
}

function Home() {
  const { user, logout } = useAuth()
  return (
    <>
      <p>Signed in as {user.username}, a member since {new Date(user.date_joined).toLocaleDateString()}.</p>
      <button onClick={() => logout().catch(() => alert('You are not signed out yet. Try again.'))}>Sign out</button>
      <Passkeys />
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
