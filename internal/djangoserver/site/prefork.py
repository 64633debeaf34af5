"""Runs programs of this project, each in a fork of a process that has imported Django. Importing it takes most of the time that such a
program takes.

A connection to the unix socket at file descriptor 3 starts a program. It sends the arguments and the environment as JSON, with one or two
file descriptors: where the program writes, and the socket on which it listens. It gets the process ID and, when the program has ended,
the exit status, a line each. All end with the standard input.
"""
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import time

# What needs no settings. A module that isn't there fails in the program that needs it.
for name in ["argon2", "bcrypt", "django.contrib.admin", "django.contrib.auth.hashers", "django.contrib.messages.middleware",
             "django.contrib.sessions.middleware", "django.core.management", "django.core.wsgi", "django.db.backends.postgresql.base",
             "django.db.backends.sqlite3.base", "django.test", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "rest_framework.serializers"]:
    try:
        importlib.import_module(name)
    except Exception:
        pass

libc = ctypes.CDLL(None)


def fork():
    """Forks a process that ends with this one. Returns its ID, or 0 in the new process."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    return child


def serve(connection):
    """Starts the program and tells of it. Returns what to run, in the program's process alone."""
    message, files = b"", []
    while not message.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(connection, 1 << 16, 2)
        if not part:
            os._exit(1)
        message, files = message + part, files + more
    child = fork()
    if child == 0:
        connection.detach()  # become closes it
        return json.loads(message), files
    os.setpgid(child, child)  # the program does so too: now it has a group, whichever was first
    for file in files:
        os.close(file)
    connection.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(wanted, files):
    """Makes this process what a new one with the arguments, environment and files would be."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    copies = [os.dup(file) for file in [null, files[0], files[0], *files[1:]]]
    for target, file in enumerate(copies):
        os.dup2(file, target, inheritable=True)
    os.closerange(len(copies), max(copies + files) + 1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    sys.argv = wanted["argv"]
    if sys.argv[0] == "manage.py":
        runpy.run_path("manage.py", run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__")


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets the processes that serve
    gc.freeze()  # so that forks share the memory
    listener = socket.socket(fileno=3)
    while True:
        ready, _, _ = select.select([0, listener], [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if fork() == 0:
            listener.detach()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return become(*serve(connection))
        connection.close()


main()
