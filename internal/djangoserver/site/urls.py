from django.urls import path

import views

urlpatterns = [
    path("healthy", views.healthy),
    path("login", views.login),
    path("logout", views.logout),
    path("me", views.me),
    path("session", views.session),
    path("password", views.password),
    path("run", views.run),
    path("held", views.held),
    path("gate", views.gate),
]
