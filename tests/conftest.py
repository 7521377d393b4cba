"""Settings of all tests: drawn examples may take their time, on a machine that has other things to do.

Where CI is set, the examples are the same in every call, so that a change is judged by what it changed; elsewhere they
are drawn anew each time, and find what nobody thought of.
"""

import os

from hypothesis import HealthCheck, settings

PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", **PATIENT)
settings.register_profile("repeatable", derandomize=True, database=None, **PATIENT)
settings.load_profile("repeatable" if os.environ.get("CI") else "patient")
