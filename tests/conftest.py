"""Settings of all tests."""

import os
import signal

from hypothesis import Phase, settings

# Tests are many and small: more threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job that a shell put in the background is started deaf to Ctrl-C, and Python then stays so.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A run says something about a change only if it tries what the last run tried; `make fuzz` tries what is new.
settings.register_profile("repeated", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.register_profile(
    "unshrunk", settings.get_profile("repeated"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("repeated")
