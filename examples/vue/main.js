import { createAuth } from '@cloakroom/client'
import { authPlugin, guardRouter } from '@cloakroom/client/vue'
import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import App from './App.vue'
import Home from './Home.vue'
import SignIn from './SignIn.vue'

// The address of Cloakroom. Its host must be the page's, 127.0.0.1 and not localhost, since a cookie belongs to a host.
const auth = createAuth({ url: import.meta.env.VITE_API ?? 'http://127.0.0.1:8000' })

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: Home, meta: { requiresAuth: true } },
    { path: '/login', component: SignIn },
  ],
})
guardRouter(router, auth, { signIn: '/login' })
createApp(App).use(authPlugin, auth).use(router).mount('#root')
