"""Runs blocks of Python as one program, with `await` at the top level.

    snippet_program.py BLOCKS.json        ["code", ...]

The first block's names are known to those after it, like in a notebook.
"""

import ast
import asyncio
import inspect
import json
import sys
from pathlib import Path


async def run(blocks):
    namespace = {"__name__": "__snippet__"}
    for number, block in enumerate(blocks):
        code = compile(block, f"block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        ended = eval(code, namespace)
        if inspect.isawaitable(ended):
            await ended


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
