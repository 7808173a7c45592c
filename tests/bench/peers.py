"""The proxies that are compared: how each is set up, and why that is fair.

Every peer has one worker, no access log, HTTP/2 without TLS on both sides, no request limits that the
load would meet, time-outs off or far away, and buffers at least as large as Flatline's.
"""
import atexit
import dataclasses
import json
import pathlib
import re
import socket
import subprocess
import time

STREAM_WINDOW = 512 << 10
CONNECTION_WINDOW = 64 << 20


@dataclasses.dataclass
class Peer:
    """A proxy that runs."""

    name: str
    address: str
    processes: list
    version: str
    settings: str

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


STARTED = []


def pinned(core, command, **more):
    child = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **more)
    STARTED.append(child)
    return child


@atexit.register
def end_all():
    """Whatever way the bench ends, nothing of it goes on."""
    for child in STARTED:
        if child.poll() is None:
            child.terminate()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, process, seconds=20):
    """Waits until somebody listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args} does not listen on {port}")


def first_line(*command):
    said = subprocess.run(command, capture_output=True, text=True)
    return (said.stdout + said.stderr).strip().splitlines()[0]


def nginx(folder, core, name, body, settings):
    port = free_port()
    home = folder / name.replace(" ", "-")
    home.mkdir()
    modules = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    config = home / "nginx.conf"
    config.write_text(
        (f"load_module {modules};\n" if "stream {" in body else "")
        + f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log warn;\n"
        + "events { worker_connections 16384; multi_accept on; }\n"
        + body.replace("PORT", str(port)).replace("HOME", str(home))
    )
    process = pinned(core, ["nginx", "-p", home, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers(port, process)
    return Peer(name, f"127.0.0.1:{port}", [process], first_line("nginx", "-v").split("/")[-1], settings)


def tcp_relay(upstream, folder, core):
    body = "stream { access_log off; proxy_buffer_size 64k; tcp_nodelay on; server { listen 127.0.0.1:PORT; proxy_pass UP; } }\n"
    settings = "nginx `stream`: copies bytes and knows nothing of HTTP/2; 64 KiB buffers, one worker"
    return nginx(folder, core, "TCP relay", body.replace("UP", upstream), settings)


def nginx_grpc(upstream, folder, core):
    body = """http {
  access_log off; server_tokens off; client_max_body_size 0; client_body_buffer_size 1m; keepalive_requests 1000000000;
  http2_max_concurrent_streams 10000; http2_recv_buffer_size 1m; http2_body_preread_size 512k;
  client_body_temp_path HOME/body; proxy_temp_path HOME/proxy; fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u; scgi_temp_path HOME/s;
  upstream serving { server UP; keepalive 1024; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:PORT http2; location / { grpc_pass grpc://serving; grpc_buffer_size 64k; grpc_read_timeout 1h; grpc_send_timeout 1h; } }
}
"""
    settings = (
        "`grpc_pass` over HTTP/2, one worker; 1 MiB body buffer, so that no request goes to disk; it buffers whole requests, "
        "which a transparent proxy may not; an upstream connection for each call in flight, up to 1,024 kept alive"
    )
    return nginx(folder, core, "nginx", body.replace("UP", upstream), settings)


def haproxy(upstream, folder, core):
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(
        f"""global
  nbthread 1
  maxconn 4096
  tune.bufsize 65536
  tune.h2.initial-window-size {STREAM_WINDOW}
  tune.h2.max-concurrent-streams 10000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} proto h2
  default_backend serving
backend serving
  server only {upstream} proto h2
"""
    )
    process = pinned(core, ["haproxy", "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers(port, process)
    settings = "HTTP/2 on both sides, one thread, 64 KiB buffers, 512 KiB stream windows, connections reused always, no log"
    return Peer("HAProxy", f"127.0.0.1:{port}", [process], first_line("haproxy", "-v").split()[2].split("-")[0], settings)


def envoy(upstream, folder, core):
    host, upstream_port = upstream.rsplit(":", 1)
    port = free_port()
    h2 = {"max_concurrent_streams": 10000, "initial_stream_window_size": STREAM_WINDOW, "initial_connection_window_size": CONNECTION_WINDOW}
    kind = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{kind}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "codec_type": "HTTP2",
        "http2_protocol_options": h2,
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "serving", "timeout": "0s"}}]}
            ]
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.filters.http.router.v3.Router", "suppress_envoy_headers": True}}],
    }
    cluster = {
        "name": "serving",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_requests": 100000, "max_pending_requests": 100000, "max_connections": 100000}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{kind}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": h2},
            }
        },
        "load_assignment": {
            "cluster_name": "serving",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(upstream_port)}}}}]}],
        },
    }
    listener = {
        "name": "clients",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    binary = envoy_binary()
    # The wheel's `envoy` is a script whose child ends with it; the binary itself is what is measured.
    process = pinned(core, [binary, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers(port, process)
    settings = "one worker, router filter only, no access log, no request ids, 512 KiB stream and 64 MiB connection windows, 1 MiB connection buffers (its default)"
    return Peer("Envoy", f"127.0.0.1:{port}", [process], re.search(r"/(\d+\.\d+\.\d+)/", first_line(str(binary), "--version"))[1], settings)


def envoy_binary():
    import envoy as wheel

    return next(pathlib.Path(next(iter(wheel.__path__))).glob("_bin/envoy"))
