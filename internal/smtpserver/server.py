"""A mail server for tests. It prints one line of JSON for its port and for each message that it has accepted.

The part of a recipient's address before the @ says what becomes of the message:
later: 451 once, then accepted; always-later: 451; never: 550; hang: no answer; drop: accepted, and then the connection is cut
before RSET; stall: accepted, and the answer to DATA never comes.
"""

import asyncio, email, email.policy, json, ssl, sys

from aiosmtpd.smtp import SMTP, AuthResult

certificate, key, port, user, password = sys.argv[1:6]
seen = set()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "always-later" or name == "later" and address not in seen:
            seen.add(address)
            return "451 4.7.1 Come back later"
        if name == "never":
            return "550 5.1.1 No such person: " + address
        if name == "hang":
            await asyncio.sleep(600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        # The strict policy raises at every defect of the message.
        m = email.message_from_bytes(envelope.content, policy=email.policy.strict)
        parts = {part.get_content_type(): part.get_content() for part in m.walk() if not part.is_multipart()}
        for part in m.walk():
            if part.defects:
                raise ValueError(part.defects)
        say({
            "sender": envelope.mail_from, "to": envelope.rcpt_tos, "headers": {name: str(value) for name, value in m.items()},
            "text": parts.get("text/plain", ""), "html": parts.get("text/html", ""), "raw": envelope.content.decode("utf-8"),
            "tls": session.ssl is not None, "hello": session.host_name, "user": session.auth_data.login.decode() if session.auth_data else "",
        })
        if any(address.startswith("stall@") for address in envelope.rcpt_tos):
            await asyncio.sleep(600)
        session.drop = any(address.startswith("drop@") for address in envelope.rcpt_tos)
        return "250 OK"

    async def handle_RSET(self, server, session, envelope):
        if getattr(session, "drop", False):
            server.transport.abort()
        return "250 OK"


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def authenticate(server, session, envelope, mechanism, data):
    right = data.login.decode() == user and data.password.decode() == password
    return AuthResult(success=right, handled=False, auth_data=data)


context = None
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
options = {"enable_SMTPUTF8": True, "tls_context": context, "require_starttls": context is not None}
if user:
    options.update(authenticator=authenticate, auth_required=True, auth_require_tls=context is not None)


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="localhost", loop=loop, **options), "127.0.0.1", int(port))
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)  # until the test ends


asyncio.run(serve())
