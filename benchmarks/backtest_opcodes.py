"""How many bytecodes a trade of a backtest takes, function by function: the same number on a busy machine as on an idle one.

python benchmarks/backtest_opcodes.py [--bars N] [--shown N]
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import backtest_ours as ours
from benchmarks import cross


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=30_000)
    parser.add_argument("--shown", type=int, default=40)
    asked = parser.parse_args()
    prepared = ours.prepare(cross.simulated(asked.bars), cross.Rule())
    opcodes, calls, trades = counted(prepared)
    print(
        f"{sum(opcodes.values()) / trades:.0f} bytecodes and {sum(calls.values()) / trades:.0f} calls a trade"
    )
    for code, count in opcodes.most_common(asked.shown):
        place = f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_qualname}"
        print(f"{count / trades:8.1f} in {calls[code] / trades:4.1f} calls  {place}")


def counted(prepared):
    """Bytecodes and calls by code object, and how many trades they made."""
    opcodes, calls = Counter(), Counter()

    def entered(frame, _event, _value):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        calls[frame.f_code] += 1
        return inside

    def inside(frame, event, _value):
        opcodes[frame.f_code] += event == "opcode"
        return inside

    sys.settrace(entered)
    try:
        _, ran = ours.run(prepared)
    finally:
        sys.settrace(None)
    return opcodes, calls, len(ran.account.orders)


if __name__ == "__main__":
    main()
