"""The tests' requests to Django, handled through Django's own interfaces."""
import json
import threading
from datetime import datetime

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

import operations


def healthy(request):
    return HttpResponse("ok")


@csrf_exempt
def login(request):
    data = json.loads(request.body)
    user = auth.authenticate(request, username=data["username"], password=data["password"])
    if user is None:
        return JsonResponse({"detail": "refused"}, status=403)
    auth.login(request, user)
    return JsonResponse({"id": str(user.pk)})


@csrf_exempt
def logout(request):
    auth.logout(request)
    return JsonResponse({})


@csrf_exempt
def password(request):
    """Changes the password and keeps the user signed in, as Django's own view does."""
    data = json.loads(request.body)
    request.user.set_password(data["password"])
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return JsonResponse({})


@api_view(["GET"])
@authentication_classes([SessionAuthentication, TokenAuthentication])
@permission_classes([IsAuthenticated])
def me(request):
    user = request.user
    return Response({
        "id": str(user.pk),
        "username": user.get_username(),
        "permissions": sorted(user.get_all_permissions()) if not user.is_superuser else ["*"],
    })


@csrf_exempt
def session(request):
    """GET returns the session; POST changes it."""
    if request.method == "POST":
        data = json.loads(request.body)
        for key, value in data.get("set", {}).items():
            request.session[key] = value
        for key in data.get("drop", []):
            request.session.pop(key, None)
        if "expiry" in data:
            request.session.set_expiry(data["expiry"])
        if "expiry_date" in data:  # Django before 4.1 can't store one
            request.session.set_expiry(datetime.fromisoformat(data["expiry_date"]))
        request.session.save()
    return HttpResponse(json.dumps(dict(request.session.items())), content_type="application/json")


@csrf_exempt
def run(request):
    """Runs one of the operations, in the server's own process."""
    data = json.loads(request.body)
    return JsonResponse({"result": getattr(operations, data["do"])(**data["with"])})


gates = {}  # by name: a view is waiting; the gate is open


def gate_of(name):
    """Returns the same two events to every thread, which a defaultdict would not."""
    return gates.setdefault(name, (threading.Event(), threading.Event()))


@csrf_exempt
def held(request):
    """A slow view: it waits at a gate before it changes the session."""
    gate, then = request.GET["gate"], request.GET["then"]
    if then.startswith("loaded "):
        str(request.user)  # reads the session before waiting
    waits, opened = gate_of(gate)
    waits.set()
    opened.wait(60)
    response = HttpResponse("done")
    if then.endswith("read"):
        str(request.user)
    elif then.endswith("write"):
        request.session["basket"] = 1
    elif then.endswith("set"):
        response.set_cookie(settings.SESSION_COOKIE_NAME, request.COOKIES[settings.SESSION_COOKIE_NAME])
    elif then.endswith("logout"):
        auth.logout(request)
    elif then.startswith("login "):
        user = get_user_model().objects.get(username=then.removeprefix("login "))
        auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return response


def gate(request):
    """GET reports whether a view is waiting at a gate; POST opens it."""
    waits, opened = gate_of(request.GET["gate"])
    if request.method == "POST":
        opened.set()
    return JsonResponse({"waits": waits.is_set()})


gate = csrf_exempt(gate)
