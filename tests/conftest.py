"""What holds for every test."""

import os
import signal

from hypothesis import HealthCheck, settings

# Started in the background, as by nohup or a runner, we ignore SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where a test has used gRPC, starting a server would run the library's own fork handlers, which now and then crash it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# How long one example takes says something of the machine alone.
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
