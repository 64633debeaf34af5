"""An authentication backend of the project's own, as sites have them beside or in the place of Django's."""
from django.contrib.auth.backends import ModelBackend


class OwnBackend(ModelBackend):
    pass
