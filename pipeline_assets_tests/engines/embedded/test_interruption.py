"""Whatever DuckDB computes, its process ends when it is told to stop."""

import os
import signal
import subprocess
import sys
import time

import pytest

ENDLESS = "SELECT a FROM range(10000000000000) t(a) WHERE a < 3000000 OR hash(a) = 1"
STATEMENTS = {
    "a statement": f"""
with ENGINE.connect(uses_s3=False) as connection:
    connection.execute("{ENDLESS.replace("3000000", "1")}").fetchall()
""",
    "rows that Arrow pulls": f"""
with ENGINE.stream({{}}, "{ENDLESS}") as batches:
    for batch in batches:
        pass
""",
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_process_that_is_told_to_stop_stops(kind: str) -> None:
    script = (
        "from pipeline_assets.command.boundary import obey_sigterm\n"
        "from pipeline_assets.engines.embedded.engine import EmbeddedEngine\n"
        "ENGINE = EmbeddedEngine(memory_limit_mib=256, threads=1)\n"
        "obey_sigterm()\n"
        "try:\n"
        "    print('begins', flush=True)\n"
        f"    {STATEMENTS[kind].strip().replace(chr(10), chr(10) + '    ')}\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
        time.sleep(2)
        os.kill(process.pid, signal.SIGTERM)
        try:
            told, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert told == "interrupted\n"
