"""A worker of the published Python SDK: the functions that every language of these tests has, under the same names.

Without arguments it serves its group until it is killed. `worker.py rpc ID FUNC ARGS…` and `run ID FUNC ARGS…` (arguments
as JSON) call one function, print its result as JSON after `result `, and end. It must never know what language calls it.
"""

import asyncio
import json
import os
import sys
from datetime import timedelta
from typing import Any

from resonate.context import Context
from resonate.resonate import Resonate
from resonate.retry import Never

URL = os.environ["RESONATE_URL"]
GROUP = os.environ.get("GROUP", "python")
TTL = timedelta(milliseconds=int(os.environ.get("TTL", "60000")))
HANG = os.environ.get("HANG", "")


def say(line: str) -> None:
    print(line, flush=True)


async def hello(ctx: Context, name: str) -> str:
    return f"hello {name}, from python"


async def echo(ctx: Context, value: Any) -> Any:
    return value


async def square(ctx: Context, n: int) -> int:
    return n * n


async def fan_out(ctx: Context, n: int) -> int:
    calls = [ctx.options(target=GROUP).rpc("square", i) for i in range(n)]
    return sum([await call for call in calls])


async def nap(ctx: Context, ms: int) -> str:
    await ctx.sleep(timedelta(milliseconds=ms))
    return "rested"


async def approval(ctx: Context) -> Any:
    promise = ctx.promise()
    say(f"waiting {await promise.id()}")
    return await promise


async def step(ctx: Context, name: str) -> str:
    say(f"step {name}")
    if name == HANG:
        await asyncio.Event().wait()
    return name


async def journey(ctx: Context) -> str:
    return " ".join([await ctx.run(step, name) for name in ("first", "second", "third")])


async def ask(ctx: Context, group: str, func: str, arg: Any) -> Any:
    return await ctx.options(target=group).rpc(func, arg)


async def leave(ctx: Context, group: str, name: str) -> str:
    return await ctx.options(target=group).detached("hello", name).id()


async def misfortune(ctx: Context, why: str) -> None:
    await ctx.options(retry_policy=Never()).run(fail, why)


async def fail(ctx: Context, why: str) -> None:
    raise ValueError(why)


async def main(args: list[str]) -> None:
    # A caller has a group of its own, so that nobody hands it the work of the group that it calls.
    own = f"{GROUP}.callers" if args else GROUP
    resonate = Resonate(url=URL, group=own, ttl=TTL, token=os.environ.get("RESONATE_TOKEN"))
    for func in (hello, echo, square, fan_out, nap, approval, step, journey, ask, leave, misfortune, fail):
        resonate.register(func)
    if not args:
        say("ready")
        await asyncio.Event().wait()
    mode, id, func, *values = args
    call = resonate.options(target=GROUP).rpc if mode == "rpc" else resonate.run
    try:
        handle = call(id, func, *map(json.loads, values))
        say(f"result {json.dumps(await handle.result())}")
    finally:
        await resonate.stop()


asyncio.run(main(sys.argv[1:]))
