# fresh.sh - first and second answers, while every copy lives. Sourced by servers.sh.

# nginx does not name its cache, HAProxy shows an Age and no more, Caddy has none: unknown, never a guess.
told nginx long/miss-nginx none none - "a miss looks like any answer"
told nginx long/miss-nginx none none - "so does a hit"
told haproxy long/miss-haproxy none none - "a miss looks like any answer"
told haproxy long/miss-haproxy none none 0-20 "a hit shows its Age"
told caddy long/miss-caddy none none - "a proxy without a cache is not called one"
told caddy secret/caddy none none - "nor where nothing may be kept"

told nginx-said long/miss-nginx-said generic edge:miss - "a miss"
told nginx-said long/miss-nginx-said generic edge:hit - "a hit; nginx tells no Age"
told nginx-said secret/nginx-said generic edge:miss - "what may not be kept is a miss to nginx"
told varnish long/miss-varnish varnish edge:miss 0-1 "a miss: one id"
told varnish long/miss-varnish varnish edge:hit 0-20 "a hit: two"
told varnish secret/varnish varnish edge:miss 0-1 "what may not be kept has one id as well"

# Without Via there is no word for hit or miss; Age 0 is shown on either.
told ats long/miss-ats ats edge:unknown 0-1 "a miss shows nothing but Age"
told ats long/miss-ats ats edge:unknown 0-20 "nor does a hit"
for n in ats-said ats-full; do
	told $n long/miss-$n ats edge:miss 0-1 "a miss"
	told $n long/miss-$n ats edge:hit 0-20 "a hit"
	told $n secret/$n ats edge:miss 0-1 "what may not be kept was looked up"
done
told squid long/miss-squid squid edge:miss - "a miss"
told squid long/miss-squid squid edge:hit 0-20 "a hit"
told squid secret/squid squid edge:miss - "what may not be kept is a miss to Squid"
