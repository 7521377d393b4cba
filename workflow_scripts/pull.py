"""Pull recorded runs and raw datasets; fails if anything does not come, or is not whole."""

import sys
from pathlib import Path

from transfer_atlas.sharing.puller import Wants, pull
from transfer_atlas.sharing.repository import Repository

wants = Wants(**snakemake.params.wanted)
pulled = pull(Repository.around(Path.cwd()), wants)
lines = [f"pulled {len(pulled.runs)} of {len(wants.runs)} runs", *pulled.problems]
Path(snakemake.log[0]).write_text("\n".join(lines) + "\n", encoding="utf-8")
print("\n".join(lines), flush=True)
sys.exit(1 if pulled.problems else 0)
