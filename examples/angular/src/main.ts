import { provideHttpClient, withInterceptors } from '@angular/common/http'
import { bootstrapApplication } from '@angular/platform-browser'
import { provideRouter } from '@angular/router'
import { createAuth } from '@cloakroom/client'
import { authGuard, authInterceptor, provideAuth } from '@cloakroom/client/angular'
import { App, Home, SignIn } from './app'

// The address of Cloakroom. Its host must be the page's, and a name, since browsers refuse passkeys at an IP address.
declare const API: string // angular.json defines it
const auth = createAuth({ url: API })
// What needs a fresh sign-in asks for a passkey.
auth.onFreshSignIn(async ({ factors }) => factors.includes('passkey') && !!(await auth.reauthenticateByPasskey()))

bootstrapApplication(App, {
  providers: [
    provideAuth(auth),
    provideHttpClient(withInterceptors([authInterceptor])),
    provideRouter([
      { path: '', component: Home, canActivate: [authGuard('/login')] },
      { path: 'login', component: SignIn },
    ]),
  ],
})
