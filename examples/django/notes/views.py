"""An API for a single-page app, as in the article: sessions, and sign-in with HTTP Basic credentials."""
from django.contrib.auth import login, logout
from rest_framework import authentication, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from .models import Note


class QuietBasicAuthentication(authentication.BasicAuthentication):
    """Sends no WWW-Authenticate header, for which browsers would show their own password dialog."""

    def authenticate_header(self, request):
        return None


class Login(APIView):
    authentication_classes = [QuietBasicAuthentication]

    def post(self, request):
        login(request, request.user)
        return Response(person(request.user))


class Logout(APIView):
    def post(self, request):
        logout(request)
        return Response({})


class Me(APIView):
    def get(self, request):
        return Response(person(request.user))


class NoteSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.get_username", read_only=True)

    class Meta:
        model = Note
        fields = ["id", "owner", "text"]


class Notes(APIView):
    """The user's own notes: a route that stays with Django."""

    def get(self, request):
        return Response(NoteSerializer(Note.objects.filter(owner=request.user).order_by("id"), many=True).data)

    def post(self, request):
        note = NoteSerializer(data=request.data)
        note.is_valid(raise_exception=True)
        note.save(owner=request.user)
        return Response(note.data, status=201)


def person(user):
    return {
        "id": user.pk,
        "username": user.get_username(),
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "date_joined": user.date_joined,
    }
