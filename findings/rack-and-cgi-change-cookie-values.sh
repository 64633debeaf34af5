#!/usr/bin/env bash
# Ruby's Rack, Perl's CGI, Plack and Mojolicious, PHP: what they read from a Cookie header that another program's cookie is in.
#
# A guess: a cookie's value is opaque (RFC 6265), so whatever it holds comes out as it went in; at the most, %xx is decoded.
# Behaviour: Rack and CGI.pm treat it as a form: "+" becomes a blank, so a value in base64 changes. CGI.pm divides it at "&" into
# a list, and cuts it at a comma. Plack and PHP decode %xx and leave "+". Mojolicious decodes nothing, and takes a comma for the end of a
# cookie. PHP also changes names: a dot or a blank becomes "_", and a[b] an array. Of letters, digits, "-" and "_",
# which base64url has, every one of them makes the same.
#
# Seen with Rack 2.2.22, CGI.pm 4.55, Plack 1.0050, Mojolicious 9.31 and PHP 8.2, all from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  ruby-rack libcgi-pm-perl libplack-perl libmojolicious-perl php8.2-cgi | grep '^[a-z]' | grep -E '^(ruby|libruby|rubygems|lib.*-perl|php8|libargon|libsodium|libyaml-0|libpcre2-8|libxml2|libicu72)' | sort -u) >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >read.rb <<'RB'
require "rack"
puts "Rack #{Rack.release}: " + Rack::Utils.parse_cookies("HTTP_COOKIE" => ENV["COOKIES"]).map { |k, v| "#{k}=[#{v}]" }.sort.join(" ")
RB
cat >read.pl <<'PL'
use CGI::Cookie; use Plack::Request; use Mojo::Cookie::Request;
my %cgi = CGI::Cookie->parse($ENV{COOKIES});
print "CGI.pm: ", join(" ", map { "$_=[" . join("|", $cgi{$_}->value) . "]" } sort keys %cgi), "\n";
my $plack = Plack::Request->new({HTTP_COOKIE => $ENV{COOKIES}})->cookies;
print "Plack: ", join(" ", map { "$_=[$plack->{$_}]" } sort keys %$plack), "\n";
print "Mojolicious: ", join(" ", sort map { $_->name . "=[" . ($_->value // "") . "]" } @{Mojo::Cookie::Request->parse($ENV{COOKIES})}), "\n";
PL
cat >read.php <<'PHP'
<?php ksort($_COOKIE); echo "PHP:"; foreach ($_COOKIE as $k => $v) echo " $k=[$v]"; echo "\n";
PHP
export COOKIES='a=x+y/z; b=x%2By; c=x&y; d=x,y; my.sid=Ab-_9'
libs=$(echo "$dir"/root/usr/lib/*-linux-gnu)
perl5=$(echo "$dir"/root/usr/share/perl5):$(echo "$dir"/root/usr/lib/*/perl5/5.36)
out=$(
  LD_LIBRARY_PATH=$libs RUBYLIB=$(find root -type d -path '*rubygems-integration*' -o -type d -path '*vendor_ruby' -o -type d -path '*ruby/3.1.0' -o -type d -path '*-linux-gnu/ruby/3.1.0' | sed "s#^#$dir/#" | paste -sd:) root/usr/bin/ruby3.1 --disable-gems read.rb
  PERL5LIB=$perl5 perl read.pl
  LD_LIBRARY_PATH=$libs REDIRECT_STATUS=200 SCRIPT_FILENAME=$dir/read.php REQUEST_METHOD=GET HTTP_COOKIE=$COOKIES root/usr/bin/php-cgi8.2 -q | grep "^PHP:"
)
echo "$out"
want='Rack 2.2.22: a=[x y/z] b=[x+y] c=[x&y] d=[x,y] my.sid=[Ab-_9]
CGI.pm: a=[x y/z] b=[x+y] c=[x|y] d=[x] my.sid=[Ab-_9]
Plack: a=[x+y/z] b=[x+y] c=[x&y] d=[x,y] my.sid=[Ab-_9]
Mojolicious: a=[x+y/z] b=[x%2By] c=[x&y] d=[x] my.sid=[Ab-_9] y=[]
PHP: a=[x+y/z] b=[x+y] c=[x&y] d=[x,y] my_sid=[Ab-_9]'
[ "$out" = "$want" ]
echo "as stated"
