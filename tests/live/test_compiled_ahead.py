"""Nothing is compiled, or read from the compiler's cache, once an engine trades: the first bar would wait for it."""

import subprocess
import sys

SCRIPT = """
import asyncio, sys
from numba.core.dispatcher import Dispatcher
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.wiring import build
from tests.live import world


def variants():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("gal_friday_"):
            for item in vars(module).values():
                if isinstance(item, Dispatcher):
                    found[f"{item.py_func.__module__}.{item.py_func.__qualname__}"] = len(item.overloads)
    return found


async def main():
    models = FixedModels(world.predictor())
    engine = build(world.manager(), replay_ports(world.played(), models, MemoryJournal()))
    await engine.start()
    before = variants()
    await engine.run()
    await engine.stop()
    assert engine.execution.orders > 0
    assert before
    print(sorted(name for name, count in variants().items() if before.get(name) != count))


asyncio.run(main())
"""


def test_an_engine_that_has_started_compiles_nothing_more():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
