# over.sh - the copies are past their life; the origin has the same, has another one, or is gone. Sourced by servers.sh.

told nginx-said brief/same-nginx-said generic edge:revalidated - "the origin said 304"
told nginx-said brief/other-nginx-said generic edge:expired - "the origin had another one"
told nginx-said gone/nginx-said generic edge:stale - "the origin is gone"
told nginx-said sick/nginx-said generic edge:stale - "the origin fails"
told nginx-said late/nginx-said generic edge:stale - "the old one at once, the new one meanwhile"
told nginx brief/same-nginx none none - "nothing is said of a copy that was confirmed"
told nginx gone/nginx none none - "nor of one that is over"

# Varnish gives what is over for some seconds more (grace) and says so no more than of any hit: the ids are two, the ttl is negative. A
# configured ttl looks the same, so it is not called stale.
told varnish brief/same-varnish varnish edge:hit 2-500 "grace is a hit, and the ttl is over"
told varnish gone/varnish varnish edge:hit 2-500 "so it is with the origin gone"
told varnish late/varnish varnish edge:hit 2-500 "so it is with stale-while-revalidate"
# Without grace it asks first. One id means that it asked; whether for a first, a new or the same copy is not said.
told varnish-nograce brief/same-varnish-nograce varnish edge:miss 0-3 "the origin said 304, Varnish says one id"
told varnish-nograce brief/other-varnish-nograce varnish edge:miss 0-1 "the origin had another one"

told ats brief/same-ats ats edge:unknown 0-3 "the origin said 304"
told ats brief/other-ats ats edge:unknown 0-1 "the origin had another one"
told ats gone/ats ats edge:stale 2-500 "the origin is gone: Warning tells"
for n in ats-said ats-full; do
	told $n long/miss-$n ats edge:hit 2-500 "a hit that is older now"
	told $n brief/same-$n ats edge:revalidated 0-3 "the origin said 304"
	told $n brief/other-$n ats edge:expired 0-1 "the origin had another one"
	told $n gone/$n ats edge:stale 2-500 "the origin is gone"
	# An error of the origin has the same code as a new copy from it; only the Age shows that this is the old one.
	told $n sick/$n ats edge:expired 2-500 "the origin fails"
done

told squid long/miss-squid squid edge:hit 2-500 "a hit that is older now"
# A confirmed copy is a HIT to Squid 5; only its Age has begun again.
told squid brief/same-squid squid edge:hit 0-3 "the origin said 304"
told squid brief/other-squid squid edge:expired - "the origin had another one: a MISS with a lookup of HIT"
told squid gone/squid squid edge:stale 2-500 "the origin is gone: Warning tells"
told squid sick/squid squid edge:stale 2-500 "the origin fails: Warning tells"
told squid gone/never squid edge:miss - "no copy and no origin"

told haproxy long/miss-haproxy none none 2-500 "a hit that is older now"
told haproxy brief/same-haproxy none none - "HAProxy fetches anew"
told haproxy gone/haproxy none none - "nothing that is over is given"
told caddy gone/caddy none none - "nor by a proxy"
