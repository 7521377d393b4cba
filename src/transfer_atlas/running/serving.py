"""The program of the warm process: `python -m transfer_atlas.running.serving ADDRESS PARENT MODULE ...`."""

import sys

from transfer_atlas.running.jobs import carry_out
from transfer_atlas.running.warm import serve

if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:], carry_out)
