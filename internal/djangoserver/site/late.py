from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver


@receiver(user_logged_out)
def note(request, **kwargs):
    getattr(request, "_request", request).signed_out_here = True


class LeaveNewerSession:
    """If a session is gone when the view ends, and Django's logout didn't end it, Cloakroom ended or renewed it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and not cookie.value and not getattr(request, "signed_out_here", False):
            del response.cookies[settings.SESSION_COOKIE_NAME]
        return response
