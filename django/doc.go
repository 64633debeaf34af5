// Package django keeps sessions, users and tokens in the tables of a live Django. A sign-in at either program is a sign-in
// at both, and a change at either is seen by the other at its next request.
//
// It changes neither Django's schema nor the journal mode of an SQLite file nor the form of the rows. What Django's tables
// have no column for is kept inside the session's data, under a key that Django carries along.
//
// The formats are those of Django 3.1 and later, on SQLite and PostgreSQL: contrib.sessions.backends.db with the JSON
// serializer, contrib.auth, and, where installed, the tables of Django REST Framework's authtoken and of knox.
//
// Django stores session keys in plain text, so read access to the table is enough to take over a session, and sessions are
// only as secret as SECRET_KEY. Sharing Django's sessions means accepting both.
package django
