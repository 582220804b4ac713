"""A program of an SDK that speaks the API before this protocol, as its users wrote them. It is there to be told so."""

import os
from urllib.parse import urlsplit

from resonate import Context, Resonate

url = urlsplit(os.environ["RESONATE_URL"])
port = str(url.port)
resonate = Resonate.remote(host=f"http://{url.hostname}", store_port=port, message_source_port=port)


def hello(ctx: Context, name: str) -> str:
    return f"hello {name}"


resonate.register(hello)
resonate.run("hello-1", hello, "world")
