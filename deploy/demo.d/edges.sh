# edges.sh - real caches in front of a real origin, on loopback: three origin instances behind a balancer, six edges in
# three regions, two of them behind a shared shield. Sourced by deploy/demo and by the end-to-end tests.
# Needs: run (a scratch folder), common.sh. Sets: origin_port, edge_names, port_of[NAME], kind_of[NAME], region_of[NAME].

edge_names='fra lhr iad sfo nrt sin'
instances='a b c'
declare -A port_of kind_of region_of parent_of
kind_of=([fra]=nginx [lhr]=varnish [iad]=varnish [sfo]=varnish [nrt]=varnish [sin]=nginx [ord]=nginx)
region_of=([fra]=eu [lhr]=eu [iad]=us [sfo]=us [nrt]=ap [sin]=ap [ord]=us)
parent_of=([iad]=ord [sfo]=ord) # the others ask the origin themselves
demo_host=shop.demo.test        # reserved name (RFC 6761): resolves nowhere, the agents' connect_to says where it is
cache_ttl=${cache_ttl:-600}

edges_ports() {
	local n
	free_port origin_port
	for n in $instances $edge_names ord; do
		free_port "port_$n"
		eval "port_of[$n]=\$port_$n"
	done
}

# origin_serves INSTANCE VERSION: what one instance answers from now on. Each file changes at once (rename).
origin_serves() {
	local dir=$run/origin/$1 f
	mkdir -p "$dir/static"
	printf '{"version":"%s","service":"shop","instance":"%s"}\n' "$2" "$1" >"$dir/.version"
	printf '{"build":{"sha":"%s"}}\n' "$2" >"$dir/static/.build.json"
	mv "$dir/.version" "$dir/version"
	mv "$dir/static/.build.json" "$dir/static/build.json"
}

# origin_stamps INSTANCE VERSION TIME: a file whose Last-Modified and ETag (time and size, at nginx) are those of TIME, as builds
# make them that set every file's time to one and the same.
origin_stamps() {
	mkdir -p "$run/origin/$1/stamped"
	printf '{"version":"%s"}\n' "$2" >"$run/origin/$1/stamped/.version"
	touch -d "$3" "$run/origin/$1/stamped/.version"
	mv "$run/origin/$1/stamped/.version" "$run/origin/$1/stamped/version"
}

# origin_checks_out INSTANCE VERSION|gone: an answer no cache may keep; 503 where no instance is left.
origin_checks_out() {
	mkdir -p "$run/origin/$1"
	if [ "$2" = gone ]; then
		rm -f "$run/origin/$1/checkout"
	else
		printf '{"version":"%s"}\n' "$2" >"$run/origin/$1/.checkout"
		mv "$run/origin/$1/.checkout" "$run/origin/$1/checkout"
	fi
}

nginx_head() { # nginx_head NAME
	[ "$(id -u)" -ne 0 ] || say 'user root;' # its files are ours, in a folder nobody else may enter
	cat <<-C
		daemon off;
		worker_processes 1;
		pid $run/nginx/$1/pid;
		error_log $run/log/$1.error warn;
		events { worker_connections 256; }
	C
	cat <<-C
		http {
		access_log off;
		client_body_temp_path $run/nginx/$1/body;
		fastcgi_temp_path $run/nginx/$1/fastcgi;
		uwsgi_temp_path $run/nginx/$1/uwsgi;
		scgi_temp_path $run/nginx/$1/scgi;
		proxy_temp_path $run/nginx/$1/proxy;
		default_type application/json;
	C
}

origin_conf() {
	local i
	nginx_head origin
	say 'upstream shop {'
	for i in $instances; do say "	server 127.0.0.1:${port_of[$i]} max_fails=0;"; done
	say '}'
	for i in $instances; do
		cat <<-C
			server {
				listen 127.0.0.1:${port_of[$i]};
				root $run/origin/$i;
				etag on;
				add_header Cache-Control "public, max-age=$cache_ttl";
				location /stamped/ { add_header Cache-Control "public, max-age=2"; }
				location = /checkout { try_files /checkout =503; add_header Cache-Control no-store always; }
				location = /live { alias $run/origin/$i/version; add_header Cache-Control "no-store"; }
			}
		C
	done
	cat <<-C
		server {
			listen 127.0.0.1:$origin_port;
			location / { proxy_pass http://shop; proxy_set_header Host \$host; proxy_connect_timeout 2s; }
		}
		}
	C
}

# An nginx edge: RFC 9211 Cache-Status behind what an inner cache said, the PoP by name. nginx tells no Age.
nginx_edge_conf() { # nginx_edge_conf NAME UPSTREAM_PORT
	nginx_head "$1"
	cat <<-C
		proxy_cache_path $run/nginx/$1/cache keys_zone=edge:1m inactive=1d max_size=16m use_temp_path=off;
		map \$upstream_cache_status \$said {
			HIT "hit"; MISS "fwd=uri-miss"; EXPIRED "fwd=stale; fwd-status=200"; REVALIDATED "fwd=stale; fwd-status=304";
			STALE "hit; fwd=stale"; UPDATING "hit; fwd=stale"; default "fwd=bypass";
		}
		server {
			listen 127.0.0.1:${port_of[$1]};
			location / {
				proxy_pass http://127.0.0.1:$2;
				proxy_set_header Host \$host;
				proxy_cache edge;
				proxy_cache_key \$host\$request_uri;
				proxy_hide_header X-Pop;
				add_header X-Pop $1 always;
				add_header X-Cache-Status \$upstream_cache_status always;
				add_header Cache-Status "$1; \$said" always;
			}
		}
		}
	C
}

varnish_edge_vcl() { # varnish_edge_vcl NAME UPSTREAM_PORT
	cat <<-C
		vcl 4.1;
		backend inner { .host = "127.0.0.1"; .port = "$2"; }
		sub vcl_recv { if (req.method == "PURGE") { return (purge); } }
		sub vcl_backend_response {
			set beresp.grace = 0s;
			set beresp.keep = 10m; # what is over is asked after with its ETag
			unset beresp.http.X-Confirmed;
			if (beresp.was_304) { set beresp.http.X-Confirmed = "yes"; }
		}
		sub vcl_deliver {
			set resp.http.X-Pop = "$1";
			unset resp.http.X-Cache-Status;
			if (obj.hits > 0) { set resp.http.X-Own = "$1; hit"; }
			else if (resp.http.X-Confirmed) { set resp.http.X-Own = "$1; fwd=stale; fwd-status=304"; }
			else { set resp.http.X-Own = "$1; fwd=uri-miss"; }
			unset resp.http.X-Confirmed;
			if (resp.http.Cache-Status) { set resp.http.Cache-Status = resp.http.Cache-Status + ", " + resp.http.X-Own; }
			else { set resp.http.Cache-Status = resp.http.X-Own; }
			unset resp.http.X-Own;
		}
	C
}

start_nginx() { # start_nginx NAME: its configuration is on stdin
	mkdir -p "$run/nginx/$1" "$run/log"
	cat >"$run/nginx/$1/nginx.conf"
	start "$1" nginx -p "$run/nginx/$1" -c "$run/nginx/$1/nginx.conf" -e "$run/log/$1.error"
}

start_edge() { # start_edge NAME
	local inner=$origin_port
	[ -z "${parent_of[$1]:-}" ] || inner=${port_of[${parent_of[$1]}]}
	case ${kind_of[$1]} in
	nginx) nginx_edge_conf "$1" "$inner" | start_nginx "$1" ;;
	varnish)
		mkdir -p "$run/varnish"
		varnish_edge_vcl "$1" "$inner" >"$run/varnish/$1.vcl"
		start "$1" varnishd -F -j none -n "$run/varnish/$1" -f "$run/varnish/$1.vcl" -a "127.0.0.1:${port_of[$1]}" \
			-s malloc,8m -p thread_pools=1 -p thread_pool_min=5 -p vsl_space=1M -T none
		;;
	esac
}

answers() { curl -fsS -o /dev/null --max-time 2 -H "Host: $demo_host" "http://127.0.0.1:$1/version"; }

# All of it, with every instance serving $1.
edges_start() {
	local n
	for n in $instances; do origin_serves "$n" "$1"; done
	origin_conf | start_nginx origin
	until_true 10 "the origin" answers "$origin_port" || return 1
	start_edge ord
	until_true 10 "the shield ord" answers "${port_of[ord]}" || return 1
	for n in $edge_names; do start_edge "$n"; done
	for n in $edge_names; do until_true 20 "edge $n (see $run/log/$n)" answers "${port_of[$n]}" || return 1; done
}

# edge_purge NAME PATH...: drops these copies there. Varnish takes PURGE requests; open-source nginx has none, so its file
# goes, named after the MD5 of the cache key (a copy that is not there is as good as a dropped one).
edge_purge() {
	local name=$1 path code
	shift
	for path in "$@"; do
		if [ "${kind_of[$name]}" = nginx ]; then
			code=$(printf '%s' "$demo_host$path" | md5sum)
			rm -f "$run/nginx/$name/cache/${code%% *}"
			continue
		fi
		code=$(curl -sS -o /dev/null -w '%{http_code}' -X PURGE -H "Host: $demo_host" "http://127.0.0.1:${port_of[$name]}$path")
		[ "$code" = 200 ] || die "PURGE $path at $name answered $code"
	done
}

# edge_version NAME PATH: what a user gets there now.
edge_version() {
	curl -fsS --max-time 5 -H "Host: $demo_host" "http://127.0.0.1:${port_of[$1]}$2" | jq -r '.version // .build.sha'
}
