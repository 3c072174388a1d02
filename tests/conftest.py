"""Settings of all tests."""

import os
import signal

from hypothesis import Phase, settings

# Tests are many and small: more threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job that a shell put in the background is started deaf to Ctrl-C, and Python then stays so.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
