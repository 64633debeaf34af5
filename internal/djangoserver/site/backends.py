"""An authentication backend of the project's own, instead of or besides Django's."""
from django.contrib.auth.backends import ModelBackend


class OwnBackend(ModelBackend):
    pass
