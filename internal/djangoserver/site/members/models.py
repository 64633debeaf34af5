"""A custom user model as most projects have one: Django's own without the username, in another table."""
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models


class Members(BaseUserManager):
    def create_user(self, name, password=None, **fields):
        member = self.model(**{**fields, "email": self.normalize_email(name)})
        member.set_password(password)
        member.save()
        return member


class Member(AbstractUser):
    username = None
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = Members()

    class Meta:
        db_table = "club_member"
