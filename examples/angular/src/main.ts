import { provideHttpClient, withInterceptors } from '@angular/common/http'
import { bootstrapApplication } from '@angular/platform-browser'
import { provideRouter } from '@angular/router'
import { createAuth } from '@cloakroom/client'
import { authGuard, authInterceptor, provideAuth } from '@cloakroom/client/angular'
import { App, Home, SignIn } from './app'

// The address of Cloakroom. Its host must be the page's, 127.0.0.1 and not localhost, since a cookie belongs to a host.
declare const API: string // angular.json defines it

bootstrapApplication(App, {
  providers: [
    provideAuth(createAuth({ url: API })),
    provideHttpClient(withInterceptors([authInterceptor])),
    provideRouter([
      { path: '', component: Home, canActivate: [authGuard('/login')] },
      { path: 'login', component: SignIn },
    ]),
  ],
})
