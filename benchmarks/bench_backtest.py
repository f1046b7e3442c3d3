"""One rule over one year of one-minute bars by every backtester, each in an environment of its own, in turns.

    python benchmarks/bench_backtest.py [--bars N] [--rounds N] [--history FILE.parquet] [--write] [NAME ...]

The same bars, rule, fee and cash for all (`cross.py`); only the run is measured: not making environments, reading bars,
nor compiling. What each traded is compared with our list trade by trade. `--write` puts the result into
docs/benchmarks.md. With names only those peers run. The machine should do nothing else; ratios are of CPU seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import backtest_page, cross, peers

HERE = Path(__file__).parent
OURS = {
    "Gal-Friday": "backtest_ours.py",
    "Gal-Friday, whole engine": "backtest_engine.py",
    "Gal-Friday, model": "backtest_model.py",
}
PEERS = {
    "vectorbt": "peer_vectorbt_backtest.py",
    "backtesting.py": "peer_backtesting_backtest.py",
    "jesse": "peer_jesse_backtest.py",
    "nautilus_trader": "peer_nautilus_backtest.py",
    "freqtrade": "peer_freqtrade_backtest.py",
    "backtrader": "peer_backtrader_backtest.py",
}
LONGEST_S = 1_800
PAGE = HERE.parent / "docs" / "benchmarks.md"


def main():
    asked = arguments()
    wanted = [name for name in PEERS if not asked.names or name in asked.names]
    pythons = dict.fromkeys(OURS, sys.executable) | {name: environment(name) for name in wanted}
    bars = cross.stored(asked.history, asked.bars) if asked.history else cross.simulated(asked.bars)
    source = Path(asked.history).name if asked.history else "simulated"
    page = ""
    with tempfile.TemporaryDirectory(prefix="gal-friday-bench-") as folder:
        for number, answers in enumerate(rounds(pythons, bars, asked.rounds, Path(folder)), start=1):
            results = [together(name, found) for name, found in answers.items()]
            page = backtest_page.page(results, bars, cross.Rule(), number, source)
            if asked.write:
                PAGE.write_text(page, encoding="utf-8")
    print(page)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PEERS)}; all by default")
    parser.add_argument("--bars", type=int, default=cross.YEAR)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--history", help="Parquet with ts, open, high, low, close instead of simulated bars")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(PEERS)
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return asked


def environment(name):
    """The peer's interpreter, or why there is none."""
    try:
        return peers.backtester(name)
    except (subprocess.CalledProcessError, OSError) as error:
        return f"could not be installed: {error}"


def rounds(pythons, bars, count, folder):
    """After each round: for each backtester what it answered so far; a text where it could not be run."""
    saved = cross.save(folder, bars)
    answers = {name: [] for name in pythons}
    for number in range(count):
        for name, python in pythons.items():
            if answers[name] and isinstance(answers[name][-1], str):
                continue  # it has failed before
            print(f"round {number + 1} of {count}: {name}", file=sys.stderr)
            answers[name].append(once(name, python, saved, folder))
        yield answers


def once(name, python, saved, folder):
    if isinstance(python, str) and python != sys.executable:
        return python
    answer, task = folder / "answer.json", folder / "task.json"
    answer.unlink(missing_ok=True)
    task.write_text(json.dumps({"bars": str(saved), "rule": cross.Rule().as_dict(), "answer": str(answer)}))
    script = HERE / (OURS | PEERS)[name]
    try:
        ran = subprocess.run(
            [python, script, task], capture_output=True, text=True, check=False, timeout=LONGEST_S, cwd=folder
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {LONGEST_S} s"
    if ran.returncode or not answer.exists():
        lines = ran.stderr.strip().splitlines()
        return f"did not run: {lines[-1] if lines else f'exit code {ran.returncode}'}"
    return json.loads(answer.read_text())


def together(name, answers):
    """The medians of all rounds; the trades of the last, which are those of all."""
    failed = next((answer for answer in answers if isinstance(answer, str)), None)
    if failed is not None:
        return {"name": name, "failed": failed}
    last = answers[-1]
    repeated = all(answer["trades"] == last["trades"] for answer in answers)
    figures = ("wall_s", "cpu_s", "memory_mib", "process_mib")
    medians = {figure: statistics.median(answer[figure] for answer in answers) for figure in figures}
    return {"name": name, **last, **medians, "repeated": repeated}


if __name__ == "__main__":
    main()
