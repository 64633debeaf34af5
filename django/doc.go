// Package django keeps sessions, users and tokens in Django's own tables, live: who signs in at either program is signed
// in at both, and what one of them ends or changes the other knows at its next look.
//
// Nothing of Django's is altered: not the schema, not the journal mode of its file, not the form of its rows. What Django
// has no place for is kept inside the session's data under the key [metaKey], where Django carries it along.
//
// The forms are those of Django 3.1 and later, SQLite and PostgreSQL alike: contrib.sessions.backends.db with the JSON
// serializer, contrib.auth, and where they are installed the tables of Django REST Framework's authtoken and of knox.
//
// Django keeps the keys of its sessions in the clear: who can read the table can take over sessions. That, and that
// sessions are only as secret as SECRET_KEY, is the price of sharing.
package django
