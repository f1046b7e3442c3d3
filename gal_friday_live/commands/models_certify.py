"""`gal-friday models certify`: a version judged anew. The pipeline's side judges, in a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.commands.storage import running_url
from gal_friday_live.pipeline_process import told_error
from gal_friday_live.up import child_environment

MODULE = "gal_friday_assets.certify"


async def certify(config: Config, config_path: Path | None, model_id: str) -> dict[str, Any]:
    """What became of it. Raises what the other side met: RegistryError, ArtifactError, DataError, StorageError."""
    async with running_url(config) as url:
        env = os.environ | child_environment(config, url, config_path)
        return await asyncio.to_thread(_judged, model_id, env)


def _judged(model_id: str, env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", MODULE, model_id], env=env, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        words = done.stderr.strip().splitlines()[-1:]
        if "No module named" in done.stderr:
            raise ConfigError(f"judging takes the pipeline: install gal-friday[pipeline] ({''.join(words)})")
        raise StorageError(f"judging {model_id} ended without a word: {''.join(words)}")
    said: dict[str, Any] = json.loads(lines[-1])
    if "error" in said:
        raise told_error(said)
    result: dict[str, Any] = said["result"]
    return result
