"""Generic adapters: layouts that many datasets share. `registry.py` finds them; see there for how to add one."""
