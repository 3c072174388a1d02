"""One module a table; each prints ratios. Run them as `python -m benchmarks.NAME [--quick] [--json FILE]`."""
