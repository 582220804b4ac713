import asyncio

from resonate.context import Context
from resonate.resonate import Resonate


async def shout(ctx: Context, text: str) -> str:
    return text.upper()


async def main() -> None:
    resonate = Resonate(group="python")  # of the server at RESONATE_URL
    resonate.register(shout)
    await asyncio.Event().wait()  # until the process is ended


asyncio.run(main())
