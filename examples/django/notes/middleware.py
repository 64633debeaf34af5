from django.contrib.auth.middleware import RemoteUserMiddleware


class CloakroomMiddleware(RemoteUserMiddleware):
    """Believes the header Remote-User, which Cloakroom sets on each request and no client can."""

    header = "HTTP_REMOTE_USER"
