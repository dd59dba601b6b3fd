# start.sh - the caches people run themselves, on loopback, each as its package comes: nothing in a configuration tells more of
# the cache than the make does by itself, except where a name ends in -said. Sourced by servers.sh. Needs: lib.sh.
# Sets: servers, server_port[NAME]. An edge NAME asks server_port[inner_of[NAME]].

server_packages='nginx-light varnish trafficserver squid haproxy caddy'
servers='' # the names, shields before who asks them
declare -A server_port inner_of make_of

# server NAME MAKE INNER: what there is; a chain is named edge-shield.
server() {
	free_port "server_port_$$"
	eval "server_port[$1]=\$server_port_$$"
	make_of[$1]=$2 inner_of[$1]=$3
	servers="$servers $1"
}

# One path a thing to happen. A copy lives 3 s where it has to be over soon. Once the file `down` is there, `gone` answers
# nothing any more and `sick` 503; the copy may then be used ten minutes longer (RFC 5861).
server_origin_conf() {
	nginx_head shop
	cat <<-C
		server {
			listen 127.0.0.1:${server_port[shop]};
			root $run/origin/shop;
			location /long/ { add_header Cache-Control "max-age=600"; }
			location /brief/ { add_header Cache-Control "max-age=3"; }
			location /gone/ {
				if (-f $run/origin/down) { return 444; }
				add_header Cache-Control "max-age=3, stale-if-error=600";
			}
			location /sick/ {
				if (-f $run/origin/down) { return 503; }
				add_header Cache-Control "max-age=3, stale-if-error=600";
			}
			location /late/ { add_header Cache-Control "max-age=3, stale-while-revalidate=600"; }
			location /secret/ { add_header Cache-Control "no-store"; }
		}
		}
	C
}

# origin_has WHAT PATH...: files of that content; another length is another ETag, whatever the clock says.
origin_has() {
	local path
	for path in "${@:2}"; do
		mkdir -p "$run/origin/shop/${path%/*}"
		printf '{"version":"%s"}\n' "$1" >"$run/origin/shop/$path.new"
		mv "$run/origin/shop/$path.new" "$run/origin/shop/$path"
	done
}

# All nginx edges are one process. By itself nginx says nothing of its cache; -said ones have the line everybody writes.
server_nginx_conf() { # server_nginx_conf NAME...
	local n
	nginx_head edges
	say "proxy_cache_path $run/nginx/edges/cache keys_zone=edge:1m max_size=16m use_temp_path=off;"
	for n in "$@"; do
		cat <<-C
			server {
				listen 127.0.0.1:${server_port[$n]};
				location / {
					proxy_pass http://127.0.0.1:${server_port[${inner_of[$n]}]};
					proxy_set_header Host \$host;
					proxy_cache edge;
					proxy_cache_key "$n\$host\$request_uri";
					proxy_cache_revalidate on;
					proxy_cache_background_update on;
					proxy_cache_use_stale error http_503;
		C
		case $n in nginx-said*) say 'add_header X-Cache-Status $upstream_cache_status;' ;; esac
		say '} }'
	done
	say '}'
}

start_varnish() { # start_varnish NAME
	mkdir -p "$run/varnish"
	local grace='-p default_grace=600' # not the 10 s it is by itself: this machine may be slow
	[ "$1" != varnish-nograce ] || grace='-p default_grace=0 -p default_keep=600'
	printf 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "%s"; }\n' "${server_port[${inner_of[$1]}]}" \
		>"$run/varnish/$1.vcl"
	# shellcheck disable=SC2086 # options
	start "$1" varnishd -F -j none -n "$run/varnish/$1" -f "$run/varnish/$1.vcl" -a "127.0.0.1:${server_port[$1]}" \
		-s malloc,8m -p thread_pools=1 -p thread_pool_min=30 -p vsl_space=1M -T none $grace
}

# Traffic Server with its package's settings, but for where things are. It adds no Via to answers unless it is told to, which
# every guide to its codes has you do: -said ones do, with the six letters or all of them.
start_ats() { # start_ats NAME
	local dir=$run/ats/$1 via=0
	case $1 in ats-said*) via=2 ;; ats-full*) via=3 ;; esac
	mkdir -p "$dir/log" "$dir/run" "$dir/cache"
	cp -r /etc/trafficserver "$dir/etc"
	cat >"$dir/runroot.yaml" <<-C
		prefix: $dir
		exec_prefix: /usr
		bindir: /usr/bin
		sbindir: /usr/sbin
		sysconfdir: $dir/etc
		datadir: $dir/cache
		includedir: /usr/include
		libdir: /usr/lib
		libexecdir: /usr/lib/trafficserver/modules
		localstatedir: $dir/run
		runtimedir: $dir/run
		logdir: $dir/log
		mandir: /usr/share/man
		infodir: /usr/share/info
		cachedir: $dir/cache
	C
	sed -i -e '/http.server_ports/d' -e '/insert_response_via_str/d' -e '/admin.user_id/d' "$dir/etc/records.config"
	cat >>"$dir/etc/records.config" <<-C
		CONFIG proxy.config.http.server_ports STRING ${server_port[$1]}:ip-in=127.0.0.1
		CONFIG proxy.config.http.insert_response_via_str INT $via
		CONFIG proxy.config.admin.user_id STRING #-1
		CONFIG proxy.config.exec_thread.autoconfig INT 0
		CONFIG proxy.config.exec_thread.limit INT 1
		CONFIG proxy.config.log.logging_enabled INT 0
		CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
		CONFIG proxy.config.http.connect_attempts_max_retries INT 0
	C
	say "$dir/cache 16M" >"$dir/etc/storage.config"
	say "map / http://127.0.0.1:${server_port[${inner_of[$1]}]}/" >"$dir/etc/remap.config"
	start "$1" traffic_server --run-root="$dir/runroot.yaml"
}

# Squid as a reverse proxy, in memory only. It leaves root by itself.
start_squid() { # start_squid NAME
	mkdir -p "$run/squid"
	cat >"$run/squid/$1.conf" <<-C
		http_port 127.0.0.1:${server_port[$1]} accel defaultsite=$demo_host no-vhost
		cache_peer 127.0.0.1 parent ${server_port[${inner_of[$1]}]} 0 no-query originserver no-digest name=inner
		http_access allow all
		visible_hostname $1.demo.test
		refresh_pattern . 0 20% 4320
		cache_mem 8 MB
		server_persistent_connections off # a kept one that the server just closed is an error page, once in a while
		pid_filename none
		access_log none
		cache_log /dev/null
		cache_store_log none
		pinger_enable off
		netdb_filename none
		coredump_dir none
		shutdown_lifetime 0 seconds
	C
	start "$1" squid -N -f "$run/squid/$1.conf"
}

server_haproxy_conf() { # server_haproxy_conf NAME...
	local n
	cat <<-C
		global
			maxconn 100
		defaults
			mode http
			timeout connect 2s
			timeout client 10s
			timeout server 10s
	C
	for n in "$@"; do
		cat <<-C
			cache cache-$n
				total-max-size 4
				max-age 600
			frontend $n
				bind 127.0.0.1:${server_port[$n]}
				http-request cache-use cache-$n
				http-response cache-store cache-$n
				default_backend inner-$n
			backend inner-$n
				server inner 127.0.0.1:${server_port[${inner_of[$n]}]}
		C
	done
}

# Debian's Caddy has no cache: a proxy in front of one.
server_caddy_conf() { # server_caddy_conf NAME...
	local n
	say '{' '	admin off' '	auto_https off' '}'
	for n in "$@"; do
		say "http://:${server_port[$n]} {" '	bind 127.0.0.1' "	reverse_proxy 127.0.0.1:${server_port[${inner_of[$n]}]}" '}'
	done
}

# servers_of MAKE: the names of them.
servers_of() {
	local n
	for n in $servers; do [ "${make_of[$n]}" != "$1" ] || say "$n"; done
}

server_answers() { curl -sS -o /dev/null --max-time 2 -H "Host: $demo_host" "http://127.0.0.1:${server_port[$1]}/up"; }

servers_fail() { # servers_fail NAME: what it had to say
	tail -n 15 "$run/log/$1" "$run/log/${make_of[$1]}" "$run"/log/*.error 2>/dev/null || true
	return 1
}

# shellcheck disable=SC2046 # names hold no blanks
servers_start() {
	local n
	free_port "server_port_$$"
	eval "server_port[shop]=\$server_port_$$"
	server_origin_conf | start_nginx shop
	server_nginx_conf $(servers_of nginx) | start_nginx edges
	for n in $(servers_of varnish) $(servers_of ats) $(servers_of squid); do "start_${make_of[$n]}" "$n"; done
	mkdir -p "$run/haproxy" "$run/caddy"
	server_haproxy_conf $(servers_of haproxy) >"$run/haproxy/conf"
	start haproxy haproxy -db -f "$run/haproxy/conf"
	server_caddy_conf $(servers_of caddy) >"$run/caddy/Caddyfile"
	XDG_DATA_HOME=$run/caddy XDG_CONFIG_HOME=$run/caddy start caddy \
		caddy run --config "$run/caddy/Caddyfile" --adapter caddyfile
	for n in $servers; do until_true 30 "$n (see $run/log)" server_answers "$n" || servers_fail "$n" || return 1; done
}
