# chains.sh - an edge in front of a shield of another make. A copy carries what the shield did when the copy was made, so behind
# a hit stands mostly a miss. Sourced by servers.sh.

# chain SERVER VENDOR, then TIERS AGE for each: both miss; the shield has it; the edge has it; both copies are over and the
# origin has the same, has another one, is gone.
chain() {
	told "$1" "long/miss-$1" "$2" "$3" "$4" "both miss"
	told "$1" "long/shield-$1" "$2" "$5" "$6" "the shield has it"
	told "$1" "long/hit-$1" "$2" "$7" "$8" "the edge has it"
	told "$1" "brief/same-$1" "$2" "$9" "${10}" "both are over, the origin has the same"
	told "$1" "brief/other-$1" "$2" "${11}" "${12}" "both are over, the origin has another one"
	told "$1" "gone/$1" "$2" "${13}" "${14}" "both are over, the origin is gone"
}

# nginx hands on the Age it was given and the shield's lines; its own word comes last.
chain nginx-said-varnish generic 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' 0-1 \
	'edge:revalidated inner:miss' 0-1 'edge:expired inner:miss' 0-1 'edge:stale inner:miss' 0-1
chain nginx-said-squid generic 'edge:miss inner:miss' - 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' - \
	'edge:revalidated inner:miss' - 'edge:expired inner:expired' - 'edge:expired inner:stale' 2-500
# Without that word nothing shows that nginx is there: what the shield said of the copy is all there is.
chain nginx-varnish varnish edge:miss 0-1 edge:hit 2-500 edge:miss 0-1 edge:miss 0-1 edge:miss 0-1 edge:miss 0-1

# Varnish in grace does not ask the shield first.
chain varnish-ats varnish 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' 2-500 \
	'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500
chain varnish-nginx varnish 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 0-1 'edge:hit inner:miss' 2-500 \
	'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500
chain varnish-squid varnish 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' 2-500 \
	'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500 'edge:hit inner:miss' 2-500

# A copy that the shield confirmed is a HIT to Squid, with the shield's newest lines.
chain squid-nginx squid 'edge:miss inner:miss' - 'edge:miss inner:hit' - 'edge:hit inner:miss' 2-500 \
	'edge:hit inner:revalidated' 0-1 'edge:expired inner:expired' - 'edge:hit inner:stale' 0-1
chain squid-varnish squid 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' 2-500 \
	'edge:hit inner:miss' 0-1 'edge:expired inner:miss' 0-1 'edge:stale inner:miss' 2-500

chain ats-said-squid ats 'edge:miss inner:miss' 0-1 'edge:miss inner:hit' 2-500 'edge:hit inner:miss' 2-500 \
	'edge:revalidated inner:hit' 0-1 'edge:expired inner:expired' 0-1 'edge:expired inner:stale' 2-500
# Without Via it only writes Server, as it does behind a Squid: the one that names itself in Via is named.
chain ats-squid squid edge:miss 0-1 edge:hit 2-500 edge:miss 2-500 edge:hit 0-1 edge:expired 0-1 edge:stale 2-500

# Caddy has no cache, so the one behind it is the edge's.
chain caddy-varnish varnish edge:miss 0-1 edge:hit 2-500 edge:hit 2-500 edge:miss 0-1 edge:miss 0-1 edge:miss 0-1
chain caddy-squid squid edge:miss - edge:hit 2-500 edge:hit 2-500 edge:hit 0-1 edge:expired - edge:stale 2-500

# HAProxy adds nothing. It keeps no answer of Age 0, and takes the Age off the one it does keep.
chain haproxy-varnish varnish edge:miss 0-1 edge:hit - edge:hit - edge:miss 0-1 edge:miss 0-1 edge:miss 0-1
told haproxy-varnish long/hit-haproxy-varnish varnish edge:hit 2-500 "a hit at HAProxy carries the shield's lines"
