import { DatePipe } from '@angular/common'
import { Component, effect, inject } from '@angular/core'
import { ActivatedRoute, Router, RouterOutlet } from '@angular/router'
import { injectAuth, injectSignIn } from '@cloakroom/client/angular'
import { Passkeys } from './passkeys'

@Component({
  selector: 'app-root',
  imports: [RouterOutlet],
  template: `
    <main>
      <h1>A page with sessions</h1>
      @if (auth.status() === 'loading') { <p>One moment…</p> }
      @if (auth.status() === 'unavailable') { <p role="status">The server is unavailable. Trying again…</p> }
      <router-outlet />
    </main>
  `,
})
export class App {
  readonly auth = injectAuth()
}

@Component({
  imports: [DatePipe, Passkeys],
  template: `
    @if (auth.user(); as user) {
      <p>Signed in as {{ user.username }}, a member since {{ user.date_joined | date }}.</p>
      <button (click)="signOut()">Sign out</button>
      <app-passkeys />
    }
  `,
})
export class Home {
  readonly auth = injectAuth()
  signOut() {
    this.auth.logout().catch(() => alert('You are not signed out yet. Try again.'))
  }
}

@Component({
  template: `
    @if (form.error(); as error) { <p role="alert">{{ problems[error.code] ?? 'Try again in a moment.' }}</p> }
    @if (form.recoveryCodes(); as codes) {
      <p>Keep these recovery codes. Each signs you in once, if you lose your device.</p>
      <ul>@for (code of codes; track code) { <li>{{ code }}</li> }</ul>
      <button (click)="form.codesKept()">I have kept them</button>
    } @else if (form.pending(); as pending) {
      @if (pending.kind === 'enrol_code') {
        <form (submit)="$event.preventDefault(); form.enterCode(code.value)">
          <p>This server asks you for a second factor. Before you set one up, enter a code that is mailed to you.</p>
          <button type="button" (click)="form.sendCode()">Mail me a code</button>
          <label>Code from the mail <input #code autocomplete="one-time-code" required /></label> <button>Continue</button>
        </form>
      } @else if (pending.kind === 'enrol') {
        <p>Set up a second factor, which this server asks you for.</p>
        @if (pending.factors.includes('passkey')) { <button (click)="form.enrolPasskey()">Set up a passkey</button> }
        @if (form.app(); as app) {
          <form (submit)="$event.preventDefault(); form.confirmApp(code.value)">
            <p>Type this key into your app: <code>{{ app.secret }}</code></p>
            <label>Code of your app <input #code autocomplete="one-time-code" required /></label> <button>Continue</button>
          </form>
        } @else { <button (click)="form.enrolApp()">Set up an authenticator app</button> }
      } @else {
        <form (submit)="$event.preventDefault(); form.second(code.value)">
          <label>Code of your app, or a recovery code <input #code autocomplete="one-time-code" required /></label> <button>Continue</button>
          @if (pending.passkey) { <button type="button" (click)="form.passkey()">Use a passkey</button> }
        </form>
      }
      <button (click)="form.cancel()">Start over</button>
    } @else {
      <form (submit)="$event.preventDefault(); form.login({ username: username.value, password: password.value })">
        @if (ended(); as reason) { <p>You are signed out ({{ reason }}).</p> }
        <label>Username <input #username autocomplete="username webauthn" required /></label>
        <label>Password <input #password type="password" autocomplete="current-password" required /></label>
        <button>Sign in</button> <button type="button" (click)="form.passkey()">Use a passkey</button>
      </form>
    }
  `,
})
export class SignIn {
  private readonly auth = injectAuth()
  readonly form = injectSignIn({ autofill: true })
  readonly problems: Record<string, string> = { invalid_credentials: 'Wrong username or password.', invalid: 'Wrong code.' }

  constructor() {
    const router = inject(Router)
    const next = inject(ActivatedRoute).snapshot.queryParamMap.get('next') ?? '/'
    // A user has signed in with this form or in another tab.
    effect(() => void (this.auth.user() && !this.form.recoveryCodes() && router.navigateByUrl(next)))
  }

  ended() {
    const state = this.auth.state()
    return state.status === 'anonymous' && state.reason !== 'not_authenticated' && state.reason
  }
}
