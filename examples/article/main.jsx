import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

// The address of Cloakroom. Its host must be the page's, since a cookie belongs to a host.
const API = import.meta.env.VITE_API ?? 'http://localhost:8000'

// Every request includes the session's cookie. The page itself can't read it.
async function call(method, path, headers) {
  const response = await fetch(API + path, { method, headers, credentials: 'include' })
  if (!response.ok) throw Object.assign(new Error(path), { status: response.status })
  return response.json()
}

const me = () => call('GET', '/api/me')
const signIn = (username, password) => call('POST', '/api/auth/login', { Authorization: basic(username, password) })
const signOut = () => call('POST', '/api/auth/logout', { 'X-CSRFTOKEN': cookie('csrftoken') })

// btoa alone accepts only the characters of Latin-1.
function basic(username, password) {
  const bytes = new TextEncoder().encode(`${username}:${password}`)
  return `Basic ${btoa(String.fromCharCode(...bytes))}`
}

function cookie(name) {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1) ?? ''
}

function App() {
  const [user, setUser] = useState() // undefined: not known yet, null: signed out
  const [problem, setProblem] = useState('')

  // Only a 401 means signed out. Any other error says nothing about the user, and leaves the state as it is.
  async function attempt(action, on401 = '') {
    setProblem('')
    try {
      setUser(await action())
    } catch (error) {
      if (error.status === 401) setUser(null)
      setProblem(error.status === 401 ? on401 : 'The server is unavailable. Try again in a moment.')
    }
  }
  useEffect(() => void attempt(me), [])

  function submit(event) {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    attempt(() => signIn(fields.get('username'), fields.get('password')), 'Wrong username or password.')
  }

  return (
    <main>
      <h1>A page with sessions</h1>
      {problem && <p role="alert">{problem}</p>}
      {user === undefined && problem && <button onClick={() => attempt(me)}>Try again</button>}
      {user === null && (
        <form onSubmit={submit}>
          <label>Username <input name="username" autoComplete="username" required /></label>{' '}
          <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>{' '}
          <button>Sign in</button>
        </form>
      )}
      {user && (
        <>
          <p>Signed in as {user.username}, a member since {new Date(user.date_joined).toLocaleDateString()}.</p>
          <button onClick={() => attempt(async () => (await signOut(), null))}>Sign out</button>
        </>
      )}
    </main>
  )
}

createRoot(document.getElementById('root')).render(<App />)
