"""Settings of all tests."""

import os

from hypothesis import Phase, settings

# Tests are many and small: more threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
