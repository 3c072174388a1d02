"""What makes a store sound: cheap checks when it is opened, full ones when it is verified.

Every check raises CorruptStore and names the file.
"""

from relhop.store.checks.opening import check_ends, check_manifest, check_sizes
from relhop.store.checks.whole import check_whole

__all__ = ["check_ends", "check_manifest", "check_sizes", "check_whole"]
