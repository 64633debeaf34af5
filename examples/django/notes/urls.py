from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/notes", views.Notes.as_view()),
    # Sign-in, sign-out and the user. Behind Cloakroom these are not reached: it answers them itself.
    path("api/auth/login", views.Login.as_view()),
    path("api/auth/logout", views.Logout.as_view()),
    path("api/me", views.Me.as_view()),
]
