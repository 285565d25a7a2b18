"""An nginx of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .software import Program, folder, free_port, needs, running

NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

CONFIGURATION = """
{modules}
{user}
daemon off;
worker_processes 1;
pid {here}/nginx.pid;
error_log {here}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


@contextmanager
def nginx(locations: str, *, nchan: bool = False) -> Iterator[Program]:
    """Run nginx with these locations; ``PORT`` in them stands for its own port."""
    path = needs("nginx", "nginx")
    if nchan and not NCHAN.exists():
        pytest.skip("nginx has no nchan module: apt-get install libnginx-mod-nchan")
    with folder() as here:
        port = free_port()
        (here / "nginx.conf").write_text(
            CONFIGURATION.format(
                modules=f"load_module {NCHAN};" if nchan else "",
                user="user root;" if os.geteuid() == 0 else "",
                here=here,
                port=port,
                locations=locations.replace("PORT", str(port)),
            )
        )
        arguments = [path, "-p", str(here), "-e", str(here / "error.log"), "-c", str(here / "nginx.conf")]
        with running(arguments, port, here / "log") as program:
            yield program
