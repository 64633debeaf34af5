#!/usr/bin/env bash
# Sessions of Ruby's Sinatra, of Flask-Login and of Perl's CGI::Session, with nothing set, for a browser that updates itself (another User-Agent) or that comes
# from another network, as a telephone does many times a day.
#
# A guess: the cookie decides. A session that was given to a browser is good until its end, whatever else in the requests changes.
# Behaviour: Sinatra with "enable :sessions" remembers the User-Agent's hash (rack-protection's SessionHijacking). Another one ends the session without an
# error: the page gets 200 as a stranger's, and a cookie without the session. Each update of a browser, and a desktop page asked for on a telephone,
# signs people out. Another language or address doesn't matter to it. Flask-Login keeps the person signed in for either change, but not fresh any more, so
# fresh_login_required sends her to the sign-in again; with session_protection = "strong" she is signed out. CGI::Session looks at neither.
#
# Seen with Sinatra and rack-protection 3.0.5 with Rack 2.2.22, Flask-Login 0.6.2 with Flask 2.2.2, and CGI::Session 4.48, all from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= ruby-sinatra ruby-rack ruby-rack-protection ruby-mustermann ruby-ruby2-keywords ruby-tilt python3-flask-login python3-flask \
  python3-werkzeug python3-itsdangerous python3-jinja2 python3-markupsafe python3-click python3-colorama libcgi-session-perl libcgi-pm-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >sessions.rb <<'RB'
ENV["APP_ENV"] = "production"
require "rack/mock"
require "sinatra/base"
class App < Sinatra::Base
  enable :sessions
  set :session_secret, "k" * 64
  get("/enter") { session["user"] = "ada" }
  get("/") { session["user"] || "a stranger" }
end
old = { "HTTP_USER_AGENT" => "Browser/156", "HTTP_ACCEPT_LANGUAGE" => "en", "REMOTE_ADDR" => "192.0.2.1" }
browser = Rack::MockRequest.new(App)
cookie = browser.get("/enter", old)["Set-Cookie"].split(";").first
{ "no change" => {}, "User-Agent" => { "HTTP_USER_AGENT" => "Browser/157" }, "language" => { "HTTP_ACCEPT_LANGUAGE" => "de" }, "address" => { "REMOTE_ADDR" => "192.0.2.2" } }.each do |change, values|
  answer = browser.get("/", old.merge(values, "HTTP_COOKIE" => cookie))
  puts "Sinatra, #{change}: #{answer.status} #{answer.body}"
end
RB
cat >sessions.py <<'PY'
import flask, flask_login
class User(flask_login.UserMixin): id = "ada"
def app(**settings):
    made = flask.Flask("finding")
    made.secret_key = "k" * 32
    made.config.update(settings)
    flask_login.LoginManager(made).user_loader(lambda id: User())
    @made.route("/enter")
    def enter():
        flask_login.login_user(User())
        return "in"
    @made.route("/")
    def page():
        user = flask_login.current_user
        return "a stranger" if not user.is_authenticated else user.id + (", fresh" if flask_login.login_fresh() else ", not fresh")
    return made
changes = {"no change": ("Browser/156", "192.0.2.1"), "User-Agent": ("Browser/157", "192.0.2.1"), "address": ("Browser/156", "192.0.2.2")}
for name, made in ("Flask-Login", app()), ("Flask-Login strong", app(SESSION_PROTECTION="strong")):
    for change, (agent, address) in changes.items():
        browser = made.test_client()
        browser.get("/enter", headers={"User-Agent": "Browser/156"}, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
        answer = browser.get("/", headers={"User-Agent": agent}, environ_overrides={"REMOTE_ADDR": address})
        print(f"{name}, {change}: {answer.status_code} {answer.text}")
PY
cat >sessions.pl <<'PL'
use CGI::Session;
for (["no change", "Browser/156", "192.0.2.1"], ["User-Agent", "Browser/157", "192.0.2.1"], ["address", "Browser/156", "192.0.2.2"]) {
  ($ENV{HTTP_USER_AGENT}, $ENV{REMOTE_ADDR}) = ("Browser/156", "192.0.2.1");
  my $session = CGI::Session->new("driver:file", undef, { Directory => $ARGV[0] });
  $session->param(user => "ada");
  my $id = $session->id;
  undef $session;
  (my $change, $ENV{HTTP_USER_AGENT}, $ENV{REMOTE_ADDR}) = @$_;
  print "CGI::Session, $change: ", CGI::Session->new("driver:file", $id, { Directory => $ARGV[0] })->param("user") // "a stranger", "\n";
}
PL
gems=$dir/root/usr/share/rubygems-integration/all/gems
out=$(
  ruby -W0 -I "$gems/rack-2.2.22/lib:$gems/rack-protection-3.0.5/lib:$gems/sinatra-3.0.5/lib:$gems/mustermann-3.0.0/lib:$gems/ruby2_keywords-0.0.5/lib:$dir/root/usr/lib/ruby/vendor_ruby" sessions.rb 2>log
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore sessions.py
  PERL5LIB=$dir/root/usr/share/perl5 perl sessions.pl "$dir"
)
echo "$out"
want='Sinatra, no change: 200 ada
Sinatra, User-Agent: 200 a stranger
Sinatra, language: 200 ada
Sinatra, address: 200 ada
Flask-Login, no change: 200 ada, fresh
Flask-Login, User-Agent: 200 ada, not fresh
Flask-Login, address: 200 ada, not fresh
Flask-Login strong, no change: 200 ada, fresh
Flask-Login strong, User-Agent: 200 a stranger
Flask-Login strong, address: 200 a stranger
CGI::Session, no change: ada
CGI::Session, User-Agent: ada
CGI::Session, address: ada'
[ "$out" = "$want" ]
echo "as stated"
