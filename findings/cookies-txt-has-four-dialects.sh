#!/usr/bin/env bash
# Cookie jars in Netscape's format, cookies.txt, written by curl, wget and Python's MozillaCookieJar, and read by each other and by Perl's LWP.
#
# A guess: it is one old and simple format. A jar that one program has filled at a sign-in serves another, if it keeps session cookies
# at all (wget's --keep-session-cookies, Python's ignore_discard).
# Behaviour: a session cookie, which most sign-ins set, survives in almost no other program. curl and wget write 0 for its end; Python and Perl
# take that for 1970. Python writes nothing for it, and curl, wget and Perl lose it. curl marks HttpOnly by "#HttpOnly_" before the host, a
# comment for wget. wget writes the port with the host, which the others take for a part of the name: with a port its jar is empty for them. No program
# says a word; curl's jar in wget has theme=dark and lacks sid.
#
# Seen with curl 7.88.1, wget 1.21.3, Python 3.11.2 and LWP's HTTP::Cookies 6.10, all from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= curl libcurl4 wget libhttp-cookies-perl libwww-perl libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl \
  libencode-locale-perl libio-html-perl liblwp-mediatypes-perl libtimedate-perl libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl \
  libhttp-negotiate-perl libwww-robotrules-perl libfile-listing-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)"
cat >server.py <<'PY'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Answer(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        if self.path != "/enter":
            names = sorted(part.split("=")[0] for part in self.headers.get("Cookie", "").split("; ") if part)
            with open("seen", "w") as seen: seen.write(" ".join(names) or "nothing")
        self.send_response(200)
        if self.path == "/enter":
            for line in ("sid=1; Path=/; HttpOnly", "theme=dark; Path=/", "remember=1; Path=/; HttpOnly; Max-Age=9999", "lang=en; Path=/; Max-Age=9999"):
                self.send_header("Set-Cookie", line)
        self.send_header("Content-Length", "0")
        self.end_headers()
server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
with open("port.new", "w") as port: port.write(str(server.server_port))
import os; os.rename("port.new", "port")
server.serve_forever()
PY
cat >jar.py <<'PY'
import http.cookiejar, sys, urllib.request
what, file, url = sys.argv[1:]
jar = http.cookiejar.MozillaCookieJar(file)
if what == "read": jar.load(ignore_discard=True)
urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), urllib.request.ProxyHandler({})).open(url)
if what == "write": jar.save(ignore_discard=True)
PY
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat port)
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
root/usr/bin/wget --version | head -n 1 | cut -d' ' -f1-3
LD_LIBRARY_PATH=$libraries root/usr/bin/curl --version | head -n 1 | cut -d' ' -f1-2
/usr/bin/python3 --version
perl -MHTTP::Cookies -e 'print "HTTP::Cookies $HTTP::Cookies::VERSION\n"'
LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -c curl "$site/enter"
root/usr/bin/wget -q -O /dev/null --keep-session-cookies --save-cookies wget "$site/enter"
/usr/bin/python3 jar.py write python "$site/enter"
for jar in curl wget python; do
  LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -b "$jar" "$site/"
  echo "$jar's jar in curl: $(cat seen)"
  root/usr/bin/wget -q -O /dev/null --load-cookies "$jar" "$site/"
  echo "$jar's jar in wget: $(cat seen)"
  /usr/bin/python3 jar.py read "$jar" "$site/"
  echo "$jar's jar in Python: $(cat seen)"
  perl -MHTTP::Cookies -MLWP::UserAgent -e 'LWP::UserAgent->new(cookie_jar => HTTP::Cookies::Netscape->new(file => $ARGV[0], ignore_discard => 1))->get($ARGV[1])' "$jar" "$site/"
  echo "$jar's jar in Perl: $(cat seen)"
done | tee out
want="curl's jar in curl: lang remember sid theme
curl's jar in wget: lang theme
curl's jar in Python: lang remember
curl's jar in Perl: lang remember
wget's jar in curl: nothing
wget's jar in wget: lang remember sid theme
wget's jar in Python: nothing
wget's jar in Perl: nothing
python's jar in curl: lang remember
python's jar in wget: lang remember
python's jar in Python: lang remember sid theme
python's jar in Perl: lang remember"
[ "$(cat out)" = "$want" ]
echo "as stated"
