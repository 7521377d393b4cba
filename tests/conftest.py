"""Settings of all tests: drawn examples may take their time, on a machine that has other things to do."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
