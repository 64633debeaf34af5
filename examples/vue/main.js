import { createAuth } from '@cloakroom/client'
import { authPlugin, guardRouter } from '@cloakroom/client/vue'
import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import App from './App.vue'
import Home from './Home.vue'
import SignIn from './SignIn.vue'

// The address of Cloakroom. Its host must be the page's, and a name, since browsers refuse passkeys at an IP address.
const auth = createAuth({ url: import.meta.env.VITE_API ?? 'http://localhost:8000' })
// What needs a fresh sign-in asks for a passkey.
auth.onFreshSignIn(async ({ factors }) => factors.includes('passkey') && !!(await auth.reauthenticateByPasskey()))

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: Home, meta: { requiresAuth: true } },
    { path: '/login', component: SignIn },
  ],
})
guardRouter(router, auth, { signIn: '/login' })
createApp(App).use(authPlugin, auth).use(router).mount('#root')
