"""Settings of all tests: drawn examples may take their time, on a machine that has other things to do.

The programs that tests start may keep what they compile, as they do for users: a clone's own modules take each of a
thousand programs half a second otherwise.

Where CI is set, the examples are the same in every call, so that a change is judged by what it changed; elsewhere they
are drawn anew each time, and find what nobody thought of.
"""

import os

from hypothesis import HealthCheck, settings

PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", **PATIENT)
settings.register_profile("repeatable", derandomize=True, database=None, **PATIENT)
settings.load_profile("repeatable" if os.environ.get("CI") else "patient")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
